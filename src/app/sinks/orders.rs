//! What an operator asks of one sink, and what of it holds for the worker that comes behind the one it was asked of:
//! that one broke, ends for a reload, or could not begin.

use crate::event::Command;
use crate::sink::Order;

/// `None`: nothing of it is for that sink.
pub(super) fn of(command: &Command, sink: &str) -> Option<Order> {
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

/// What holds on behind the end of a sink.
#[derive(Clone, Debug)]
pub struct Left {
    pub name: String,
    /// A pause, or that it is over; then perhaps a round.
    orders: Vec<Order>,
}

impl Left {
    pub fn nothing(name: &str) -> Left {
        Left { name: name.to_owned(), orders: Vec::new() }
    }

    /// For whoever comes next.
    pub fn note(&mut self, command: &Command) {
        if let Some(order) = of(command, &self.name) {
            self.keep(order);
        }
    }

    pub(super) fn keep(&mut self, order: Order) {
        match order {
            Order::ShipNow if self.orders.contains(&order) => {}
            Order::ShipNow => self.orders.push(order),
            // Whatever was asked before is over with it.
            Order::Pause { .. } | Order::Resume => self.orders = vec![order],
            Order::Retry | Order::Finish | Order::Where(_) => {}
        }
    }

    /// In the order in which they are to be obeyed.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    pub fn paused_by(&self) -> Option<&str> {
        self.orders.iter().find_map(|order| match order {
            Order::Pause { by } => Some(by.as_str()),
            _ => None,
        })
    }

    /// What holds also when a worker has obeyed it.
    pub fn without_rounds(&self) -> Left {
        let mut left = self.clone();
        left.orders.retain(|order| *order != Order::ShipNow);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(sink: Option<&str>) -> Command {
        Command::Pause { sink: sink.map(str::to_owned), by: "ada".to_owned() }
    }

    #[test]
    fn the_last_word_holds_and_a_round_behind_it() {
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
            let mut left = Left::nothing("out");
            commands.iter().for_each(|command| left.note(command));
            assert_eq!(left.orders(), orders, "{commands:?}");
            let paused = orders.contains(&ada).then_some("ada");
            assert_eq!(left.paused_by(), paused, "{commands:?}");
        }
    }
}
