//! Which lines belong to the record before them: indentation and the stack traces of Java, Python, Go,
//! Ruby, Node, .NET and Rust.

/// What the lines of a record so far make of the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    kind: Kind,
    /// The last line was indented.
    indented: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    None,
    /// Behind `Traceback (most recent call last):`, before the line that names the exception.
    Python,
    /// Behind the exception's name.
    PythonEnd,
    /// Behind `goroutine 1 [running]:` or `panic:`.
    Go,
}

impl Trace {
    /// Takes note of a line of the record.
    pub fn push(&mut self, line: &[u8]) {
        let indented = is_indented(line);
        self.kind = match self.kind {
            _ if starts_python(line) => Kind::Python,
            _ if starts_go(line) => Kind::Go,
            Kind::Python if !indented => Kind::PythonEnd,
            Kind::PythonEnd if is_python_link(line) => Kind::PythonEnd,
            Kind::PythonEnd if !indented => Kind::None,
            kind => kind,
        };
        self.indented = indented;
    }

    /// The next line goes on with what the lines before it began.
    pub fn continues(&self, line: &[u8]) -> bool {
        is_continuation(line)
            || match self.kind {
                Kind::Python => self.indented,
                Kind::PythonEnd => starts_python(line) || is_python_link(line),
                Kind::Go => is_go_frame(line) || starts_go(line),
                // Rust, Ruby, Python: the trace may follow a line that says what went wrong.
                Kind::None => starts_python(line) && self.indented,
            }
    }
}

/// The line can only be a later one of some record.
pub fn is_continuation(line: &[u8]) -> bool {
    is_indented(line)
        || line.starts_with(b"Caused by:")
        || line.starts_with(b"Suppressed:")
        || line.starts_with(b"--- End of ")
        || line.starts_with(b"   at ")
        || (line.starts_with(b"... ") && (line.ends_with(b" more") || line.ends_with(b"omitted")))
        || line.starts_with(b"stack backtrace:")
        || line.starts_with(b"note: run with `RUST_BACKTRACE")
        || line.starts_with(b"created by ")
        || is_python_link(line)
        || is_closing(line)
}

/// Whatever trace `previous` is part of, it does not go on with `line`.
pub fn stands_apart(previous: &[u8], line: &[u8]) -> bool {
    !is_indented(previous)
        && !is_continuation(line)
        && !is_go_frame(line)
        && !starts_go(line)
        && !starts_python(line)
}

/// The line begins with white space and holds more than that.
pub fn is_indented(line: &[u8]) -> bool {
    matches!(line, [b' ' | b'\t', ..]) && !super::text::is_blank(line)
}

/// A lone closing bracket, as pretty-printed values end with.
fn is_closing(line: &[u8]) -> bool {
    matches!(line.trim_ascii_end(), b"}" | b"]" | b")" | b"};" | b"});" | b"]}" | b"})" | b"},")
}

fn starts_python(line: &[u8]) -> bool {
    line.starts_with(b"Traceback (most recent call last):")
}

fn is_python_link(line: &[u8]) -> bool {
    line.starts_with(b"During handling of the above exception")
        || line.starts_with(b"The above exception was the direct cause")
}

fn starts_go(line: &[u8]) -> bool {
    line.starts_with(b"panic: ")
        || line.starts_with(b"fatal error: ")
        || (line.starts_with(b"goroutine ") && line.ends_with(b"]:"))
        || line.starts_with(b"[signal ")
}

/// `main.run(0xc000010000, 0x1)`, `exit status 2`.
fn is_go_frame(line: &[u8]) -> bool {
    let call = line.ends_with(b")") || line.ends_with(b"...)");
    (call && memchr::memchr2(b'(', b' ', line).is_some_and(|at| line[at] == b'('))
        || line.starts_with(b"exit status ")
        || line.starts_with(b"runtime.")
        || line.starts_with(b"rax ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the lines, from the first, are one record.
    fn joined(text: &str) -> usize {
        let mut trace = Trace::default();
        let mut lines = text.lines();
        trace.push(lines.next().expect("a line").as_bytes());
        1 + lines
            .take_while(|line| {
                let blank = line.is_empty();
                let joins = blank || trace.continues(line.as_bytes());
                if joins && !blank {
                    trace.push(line.as_bytes());
                }
                joins
            })
            .count()
    }

    #[test]
    fn traces_are_whole_and_end_where_they_end() {
        for (text, expected) in [
            ("a\nb", 1),
            ("a\n  b\n\tc\nd", 3),
            ("Traceback (most recent call last):\n  File \"x\"\n    y()\nValueError: z\nnext", 4),
            (
                "Traceback (most recent call last):\n  File\nKeyError: 1\n\nDuring handling of the above \
                 exception, another exception occurred:\n\nTraceback (most recent call last):\n  File\n\
                 TypeError: 2\nnext",
                9,
            ),
            ("java.lang.Error: x\n\tat a.b(C.java:1)\nCaused by: y\n\tat d\n\t... 3 more\nnext", 5),
            (
                "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:3 +0x1\nexit status 2\nnext",
                6,
            ),
            ("TypeError: x\n    at f (a.js:1:2)\n    at g (b.js:3:4)\nnext", 3),
            ("System.Exception: x\n   at A.B()\n   --- End of inner ---\n   at C.D()\nnext", 4),
            ("thread 'main' panicked at a.rs:1:2:\nstack backtrace:\n   0: x\n   1: y\nnext", 4),
        ] {
            assert_eq!(joined(text), expected, "{text}");
        }
    }
}
