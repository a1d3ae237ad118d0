//! Formats timestamps in UTC, as in event documents: `2023-11-14T10:23:01.446Z`. Needs no time zone data.

use super::Timestamp;

/// Appends `time` in UTC with `digits` fractional digits of the second (0, 3, 6 or 9; other values are rounded up to
/// the next of these). Further digits are cut off.
pub fn write(time: Timestamp, digits: u8, text: &mut Vec<u8>) {
    let second_of_day = time.seconds().rem_euclid(86_400) as u32;
    let (year, month, day) = civil(time.day());
    let [y1, y2] = two_digits(year / 100);
    let [y3, y4] = two_digits(year % 100);
    let ([m1, m2], [d1, d2]) = (two_digits(month), two_digits(day));
    let [h1, h2] = two_digits(second_of_day / 3600);
    let [n1, n2] = two_digits(second_of_day / 60 % 60);
    let [s1, s2] = two_digits(second_of_day % 60);
    text.extend_from_slice(&[
        y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2,
    ]);
    if digits > 0 {
        let shown = usize::from(digits.min(9)).div_ceil(3) * 3;
        let mut fraction = *b".000000000";
        let mut rest = time.0.rem_euclid(1_000_000_000) as u32 / 10u32.pow(9 - shown as u32);
        for digit in fraction[1..=shown].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        text.extend_from_slice(&fraction[..=shown]);
    }
    text.push(b'Z');
}

/// Like [`write`], as a string.
pub fn text(time: Timestamp, digits: u8) -> String {
    let mut bytes = Vec::with_capacity(30);
    write(time, digits, &mut bytes);
    String::from_utf8(bytes).expect("digits and signs are ASCII")
}

/// Year, month and day of the month, from the number of days since 1970-01-01. Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms"; a [`Timestamp`] covers only the years 1677 to 2262.
pub fn civil(day: i32) -> (u32, u32, u32) {
    let shifted = (day + 719_468) as u32;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u32::from(month <= 2), month, day)
}

/// The two decimal digits of a number below 100.
pub fn two_digits(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_written_with_the_precision_it_was_logged_with() {
        let time = Timestamp(1_699_957_381_446_123_789);
        assert_eq!(text(time, 0), "2023-11-14T10:23:01Z");
        assert_eq!(text(time, 3), "2023-11-14T10:23:01.446Z");
        assert_eq!(text(time, 5), "2023-11-14T10:23:01.446123Z");
        assert_eq!(text(time, 9), "2023-11-14T10:23:01.446123789Z");
        assert_eq!(text(Timestamp(-1), 9), "1969-12-31T23:59:59.999999999Z");
    }

    proptest! {
        #[test]
        fn formatting_agrees_with_jiff(nanos in any::<i64>()) {
            let expected = jiff::Timestamp::from_nanosecond(i128::from(nanos)).expect("in range");
            prop_assert_eq!(text(Timestamp(nanos), 9), format!("{expected:.9}"));
        }
    }
}
