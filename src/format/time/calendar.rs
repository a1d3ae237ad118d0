//! Calendar arithmetic for timestamps: the number of a day, the year of a date without one, and the English names of
//! months and weekdays.

/// Days since 1970-01-01 of a date of the Gregorian calendar; `None` if the date does not exist.
pub fn days(year: i32, month: u32, day: u32) -> Option<i32> {
    if !(1..=12).contains(&month) || day == 0 || day > length(year, month) {
        return None;
    }
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": the year begins in March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month as i32 + 9) % 12) + 2) / 5 + day as i32 - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn length(year: i32, month: u32) -> u32 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The year that contains this day (since the epoch).
pub fn year_of(day: i32) -> i32 {
    let mut year = 1970 + (f64::from(day) / 365.2425).floor() as i32;
    while days(year, 1, 1).is_some_and(|first| first > day) {
        year -= 1;
    }
    while days(year + 1, 1, 1).is_some_and(|first| first <= day) {
        year += 1;
    }
    year
}

/// The latest day, as days since 1970-01-01, that has this month and day of the month and is not later than the day
/// after `mark`.
pub fn latest_year(month: u8, day: u8, mark: i32) -> Option<i32> {
    let latest = mark.checked_add(1)?;
    let year = year_of(latest);
    // 29 February may be up to eight years earlier (1896 to 1904).
    (0..=8).find_map(|back| {
        days(year - back, u32::from(month), u32::from(day)).filter(|found| *found <= latest)
    })
}

/// The number of a month (1–12), from the first three letters of its English name.
pub fn month(text: &[u8]) -> Option<u32> {
    let key = [text.first()? | 0x20, text.get(1)? | 0x20, text.get(2)? | 0x20];
    Some(match &key {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

/// Whether the text begins with the first three letters of an English weekday.
pub fn is_weekday(text: &[u8]) -> bool {
    let Some([a, b, c]) = text.first_chunk::<3>() else { return false };
    matches!(
        &[a | 0x20, b | 0x20, c | 0x20],
        b"mon" | b"tue" | b"wed" | b"thu" | b"fri" | b"sat" | b"sun"
    )
}
