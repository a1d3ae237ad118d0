//! Decides which lines continue the record before them: indented lines, and the stack traces of Java, Python, Go, Ruby,
//! Node, .NET and Rust.

/// The state of a stack trace after the lines of a record so far.
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
    /// After `Traceback (most recent call last):`, before the line with the exception.
    Python,
    /// After the name of the exception.
    PythonEnd,
    /// After `goroutine 1 [running]:` or `panic:`.
    Go,
}

impl Trace {
    /// Adds a line of the record.
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

    /// Whether `line`, the next line, continues the record.
    pub fn continues(&self, line: &[u8]) -> bool {
        is_continuation(line)
            || match self.kind {
                Kind::Python => self.indented,
                Kind::PythonEnd => starts_python(line) || is_python_link(line),
                Kind::Go => is_go_frame(line) || starts_go(line),
                // Rust, Ruby, Python: the trace may follow a line with the error message.
                Kind::None => starts_python(line) && self.indented,
            }
    }
}

/// Whether the line can only continue a record, whatever record is before it.
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

/// Whether `line` certainly does not continue a record or trace that contains `previous`.
pub fn is_separate(previous: &[u8], line: &[u8]) -> bool {
    !is_indented(previous)
        && !is_continuation(line)
        && !is_go_frame(line)
        && !starts_go(line)
        && !starts_python(line)
}

/// Whether the line begins with white space and is not blank.
pub fn is_indented(line: &[u8]) -> bool {
    matches!(line, [b' ' | b'\t', ..]) && !super::text::is_blank(line)
}

/// A single closing bracket, as at the end of pretty-printed values.
fn is_closing(line: &[u8]) -> bool {
    matches!(line.trim_ascii_end(), b"}" | b"]" | b")" | b"};" | b"});" | b"]}" | b"})" | b"},")
}

fn starts_python(line: &[u8]) -> bool {
    line.starts_with(b"Traceback (most recent call last):")
}

/// Whether the line stands between two linked exceptions.
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

/// Whether the line belongs to a Go trace: `main.run(0xc000010000, 0x1)`, `exit status 2`.
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

    /// The number of lines, from the first, that form one record.
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
    fn stack_traces_are_joined_up_to_their_end() {
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
