//! Newline-delimited JSON.
//!
//! Owns the framing: one payload, one line feed. Keys and arrival times are not written. Promises
//! to tell a reader that went away from a failure. Does not know what it writes to.

use std::io::{self, BufWriter, ErrorKind, Write};

use super::{Sink, SinkError};
use crate::generate::Record;

/// Enough to make system calls rare.
const BUFFER: usize = 256 * 1024;

/// Writes each record's payload as a line.
#[derive(Debug)]
pub struct Lines<W: Write> {
    writer: BufWriter<W>,
}

impl<W: Write> Lines<W> {
    /// Lines to a writer, which need not buffer.
    pub fn new(writer: W) -> Self {
        Self {
            writer: BufWriter::with_capacity(BUFFER, writer),
        }
    }
}

impl<W: Write> Sink for Lines<W> {
    fn send(&mut self, record: &Record) -> Result<(), SinkError> {
        self.writer.write_all(&record.payload).map_err(failure)?;
        self.writer.write_all(b"\n").map_err(failure)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.writer.flush().map_err(failure)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.flush()
    }
}

fn failure(error: io::Error) -> SinkError {
    match error.kind() {
        ErrorKind::BrokenPipe => SinkError::Closed,
        _ => SinkError::Write(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a number of bytes, then fails.
    struct Full(usize, ErrorKind);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match bytes.len().min(self.0) {
                0 => Err(self.1.into()),
                taken => {
                    self.0 -= taken;
                    Ok(taken)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn record(payload: &str) -> Record {
        Record {
            payload: payload.into(),
            ..Record::buffer()
        }
    }

    #[test]
    fn each_payload_is_a_line() -> Result<(), SinkError> {
        let mut out = Vec::new();
        let mut lines = Lines::new(&mut out);
        lines.send(&record("{\"a\":1}"))?;
        lines.send(&record("{}"))?;
        lines.finish()?;
        drop(lines);
        assert_eq!(out, b"{\"a\":1}\n{}\n");
        Ok(())
    }

    #[test]
    fn a_reader_that_went_away_is_told_from_a_full_disk() {
        let end = |kind| {
            let mut lines = Lines::new(Full(3, kind));
            lines
                .send(&record("{\"a\":1}"))
                .and_then(|()| lines.finish())
        };
        assert!(matches!(end(ErrorKind::BrokenPipe), Err(SinkError::Closed)));
        assert!(matches!(
            end(ErrorKind::StorageFull),
            Err(SinkError::Write(_))
        ));
    }
}
