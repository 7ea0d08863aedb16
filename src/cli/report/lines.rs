//! Lines of EVE files, each with where it stands.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::capture::unpacked;
use crate::cli::Failure;

/// Bytes of the longest line that is read; the sensor's own are under 100 KiB. A longer one is passed over,
/// counted and told.
const LINE: usize = 4 * 1024 * 1024;

/// One file, line by line.
pub(super) struct Lines {
    name: String,
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
    number: u64,
}

/// What a line is.
pub(super) enum Next<'a> {
    /// The bytes, and whether a newline ended them.
    Line(&'a [u8], bool),
    TooLong,
    End,
}

impl Lines {
    /// Opens a file, or the standard input.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let raw: io::Result<Box<dyn Read + Send>> = if path == Path::new("-") {
            Ok(Box::new(io::stdin()))
        } else if path.is_dir() {
            return Err(Failure::new(format_args!(
                "{name}: is a folder; give the EVE files in it, as {name}/*.json"
            )));
        } else {
            File::open(path).map(|f| Box::new(f) as _)
        };
        let reader = raw.and_then(unpacked).map_err(|e| {
            Failure::new(format_args!(
                "{name}: cannot read it: {e}; check the path and its permissions"
            ))
        })?;
        Ok(Self {
            name,
            reader: BufReader::with_capacity(256 * 1024, reader),
            line: Vec::new(),
            number: 0,
        })
    }

    /// As `file:line` of the line that was read last.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.name, self.number)
    }

    pub(super) fn next(&mut self) -> Result<Next<'_>, Failure> {
        self.number += 1;
        self.line.clear();
        let most = LINE as u64 + 1;
        let read = self
            .reader
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut self.line);
        let failed = |e: io::Error, place| {
            Failure::new(format_args!(
                "{place}: cannot read on: {e}; the file is damaged or was cut off"
            ))
        };
        read.map_err(|e| failed(e, self.place()))?;
        let ended = self.line.last() == Some(&b'\n');
        if !ended && self.line.len() > LINE {
            let rest = skip_line(&mut self.reader);
            rest.map_err(|e| failed(e, self.place()))?;
            return Ok(Next::TooLong);
        }
        if self.line.is_empty() {
            return Ok(Next::End);
        }
        Ok(Next::Line(self.line.trim_ascii(), ended))
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let end = memchr::memchr(b'\n', bytes);
        let len = end.map_or(bytes.len(), |at| at + 1);
        reader.consume(len);
        if end.is_some() {
            return Ok(());
        }
    }
}
