//! Texts that an attacker would put where a report shows them.

use serde_json::Value;

/// Markup, attributes, styles, order of text, control characters. Each must come out as text.
pub const PAYLOADS: &[&str] = &[
    "<script>document.title='OWNED';fetch('http://evil.example/script')</script>",
    "\"><img src=http://evil.example/img onerror=\"document.title='OWNED'\">",
    "' onmouseover='document.title=1' style='background:url(http://evil.example/css)",
    "alice\u{202e}gpj.exe\u{7}\u{200b}\u{feff}\u{1b}[2J\u{0}",
    "</title></style></svg></details><svg onload=\"document.title='OWNED'\"><iframe src=http://evil.example/frame>",
    "{{7*7}}${7*7}<%= 7*7 %>&#x3c;script&#x3e;alert(1)&#x3c;/script&#x3e;&lt;b&gt;",
    "\u{5d0}\u{5d1}\u{5d2} <b>\u{645}\u{631}\u{62d}\u{628}\u{627}</b>",
    "--><!--<![CDATA[<a href=javascript:alert(1)>]]>",
];

/// `event` with every text that is not a word of ours replaced.
pub fn hostile(mut event: Value, payload: &str) -> Value {
    replace(&mut event, "", payload);
    event
}

fn replace(value: &mut Value, key: &str, payload: &str) {
    // Without these the line would be refused, or be another event.
    const KEPT: &[&str] = &[
        "timestamp",
        "event_type",
        "first_ts",
        "last_ts",
        "level",
        "incident_id",
        "campaign_id",
        "alert_id",
        "merged_into",
        "start",
        "since",
        "role",
        "detector",
        "detectors",
        "kind",
    ];
    match value {
        Value::String(text) if !KEPT.contains(&key) => *text = payload.to_owned(),
        Value::Array(all) => all.iter_mut().for_each(|v| replace(v, key, payload)),
        Value::Object(map) => {
            for (key, v) in map {
                replace(v, key, payload);
            }
        }
        _ => {}
    }
}
