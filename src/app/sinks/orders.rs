//! Turns operator commands into orders for one sink, and keeps the orders that also apply to its next worker: after a
//! failure, a restart for a reload, or a failed start.

use crate::event::Command;
use crate::sink::Order;

/// The order that the command means for this sink. `None`: the command does not concern it.
pub(super) fn order_for(command: &Command, sink: &str) -> Option<Order> {
    let (wanted, order) = match command {
        Command::ShipNow { sink } => (sink, Order::ShipNow),
        Command::Pause { sink, by } => (sink, Order::Pause { by: by.clone() }),
        Command::Resume { sink } => (sink, Order::Resume),
        Command::Retry { sink } => (sink, Order::Retry),
        Command::Where { place } => (&None, Order::Where(*place)),
        Command::Reload | Command::Stop => return None,
    };
    wanted.as_ref().is_none_or(|name| *name == sink).then_some(order)
}

/// Orders that outlast the worker they were sent to.
#[derive(Clone, Debug)]
pub struct KeptOrders {
    pub name: String,
    /// The last pause or resume, then possibly one `ShipNow`.
    orders: Vec<Order>,
}

impl KeptOrders {
    pub fn none(name: &str) -> KeptOrders {
        KeptOrders { name: name.to_owned(), orders: Vec::new() }
    }

    /// Keeps the part of a command that applies to the next worker.
    pub fn note(&mut self, command: &Command) {
        if let Some(order) = order_for(command, &self.name) {
            self.keep(order);
        }
    }

    pub(super) fn keep(&mut self, order: Order) {
        match order {
            Order::ShipNow if self.orders.contains(&order) => {}
            Order::ShipNow => self.orders.push(order),
            // Supersedes all earlier orders.
            Order::Pause { .. } | Order::Resume => self.orders = vec![order],
            Order::Retry | Order::Finish | Order::Where(_) => {}
        }
    }

    /// In the order in which the worker must execute them.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    pub fn paused_by(&self) -> Option<&str> {
        self.orders.iter().find_map(|order| match order {
            Order::Pause { by } => Some(by.as_str()),
            _ => None,
        })
    }

    /// Orders that still apply after a worker has executed them.
    pub fn without_ship_now(&self) -> KeptOrders {
        let mut kept = self.clone();
        kept.orders.retain(|order| *order != Order::ShipNow);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(sink: Option<&str>) -> Command {
        Command::Pause { sink: sink.map(str::to_owned), by: "ada".to_owned() }
    }

    #[test]
    fn the_last_pause_or_resume_is_kept_and_a_later_ship_now() {
        let (ship, resume) = (Command::ShipNow { sink: None }, Command::Resume { sink: None });
        let ada = Order::Pause { by: "ada".to_owned() };
        let retry = Command::Retry { sink: None };
        let cases: [(&[Command], &[Order]); 6] = [
            (&[retry, Command::Reload, pause(Some("other"))], &[]),
            (&[ship.clone(), ship.clone()], &[Order::ShipNow]),
            (&[ship.clone(), pause(None)], std::slice::from_ref(&ada)),
            (&[pause(Some("out")), ship.clone()], &[ada.clone(), Order::ShipNow]),
            (&[pause(None), resume.clone()], &[Order::Resume]),
            (&[resume, ship, pause(None)], std::slice::from_ref(&ada)),
        ];
        for (commands, orders) in cases {
            let mut kept = KeptOrders::none("out");
            commands.iter().for_each(|command| kept.note(command));
            assert_eq!(kept.orders(), orders, "{commands:?}");
            let paused = orders.contains(&ada).then_some("ada");
            assert_eq!(kept.paused_by(), paused, "{commands:?}");
        }
    }
}
