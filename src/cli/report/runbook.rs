//! The handbook's sections as HTML: what happened, how to confirm, how to contain.

use pulldown_cmark::{Event, Parser, Tag, TagEnd, html};

use crate::cli::explain;

/// A section of the handbook, parted at its bold lead words.
pub(super) struct Runbook {
    pub id: &'static str,
    /// As `NTLM challenge reuse`.
    pub name: String,
    /// Everything, as HTML.
    pub html: String,
    /// The paragraph that says how to contain, as HTML, if it says more than "as another".
    pub contain: Option<String>,
}

/// The section of detector `id`, if the handbook has one.
pub(super) fn of(id: &str) -> Option<Runbook> {
    let id = explain::sections().find(|known| *known == id)?;
    let section = explain::section(id)?;
    let body = section.split_once('\n').map_or("", |(_, body)| body).trim();
    let name = body
        .strip_prefix("**")
        .and_then(|rest| rest.split("**").next())
        .unwrap_or(id)
        .trim_end_matches('.');
    let name = match name {
        // Sections that begin at once.
        "What happened" => id,
        name => name,
    };
    let contain = body
        .split("\n\n")
        .find_map(|paragraph| paragraph.find("**Contain").map(|at| &paragraph[at..]))
        .map(|text| text.split("**Silence").next().unwrap_or(text))
        .filter(|text| text.len() > 60);
    Some(Runbook {
        id,
        name: name.to_owned(),
        html: markdown(body),
        contain: contain.map(markdown),
    })
}

/// Our own Markdown as HTML. Links to other pages of the handbook, which are not here, become text.
fn markdown(text: &str) -> String {
    let mut open = true;
    let events = Parser::new(text).filter(|event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => {
            open = dest_url.starts_with("#rw-");
            open
        }
        Event::End(TagEnd::Link) => std::mem::replace(&mut open, true),
        _ => true,
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_a_name_and_becomes_html() {
        let mut contained = 0;
        for id in explain::sections() {
            let book = of(id).unwrap();
            assert!(
                book.name != id && book.name.len() < 60,
                "{id}: {}",
                book.name
            );
            assert!(
                book.html.contains("<p>") && !book.html.contains("**"),
                "{id}"
            );
            assert!(!book.html.contains(".md"), "{id}");
            contained += usize::from(book.contain.is_some());
        }
        assert!(contained >= 10, "{contained}");
        let first = of("RW-01").unwrap();
        assert_eq!(first.name, "NTLM challenge reuse");
        let contain = first.contain.unwrap();
        assert!(contain.contains("Cut off the listener") && !contain.contains("Silence"));
        assert!(of("RW-99").is_none() && of("<b>").is_none());
    }
}
