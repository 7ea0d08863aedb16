//! What packages ship beside the program: manual pages and completions, made from the arguments.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Args, Failure};

/// `relaywatch completions SHELL`: on stdout.
pub(super) fn completions(shell: Shell) {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "relaywatch", &mut text);
    super::check::print_text(&String::from_utf8_lossy(&text));
}

/// `relaywatch man DIR`: a page for the program and one for each command.
pub(super) fn man(dir: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(Args::command(), dir).map_err(|e| {
        Failure::new(format_args!(
            "{}: cannot write manual pages: {e}; give a folder that exists and can be written",
            dir.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_explains_its_flags() {
        let dir = tempfile::tempdir().unwrap();
        man(dir.path()).unwrap();
        let page = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let main = page("relaywatch.1");
        for text in ["\\-\\-interface", "relaywatch\\-status(1)", "Exit status"] {
            assert!(main.contains(text), "{text} is not in\n{main}");
        }
        assert!(page("relaywatch-status.1").contains("1 degraded"));
        assert!(page("relaywatch-rules-test.1").contains("\\-\\-read"));
        let e = man(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(e.contains("a folder that exists"), "{e}");
    }
}
