use super::*;
use proptest::prelude::*;

/// The members of the one object in `text`, as text.
fn members(text: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    Cursor::line(text.as_bytes(), |cursor| {
        cursor.members(|key, cursor| {
            let value = cursor.value()?;
            let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
            found.push((lossy(key), lossy(value.0)));
            Some(())
        })
    })?;
    Some(found)
}

#[test]
fn members_are_found_whatever_stands_between_them() {
    let long = format!(r#""{}\\""#, r#"\"\\\n{["#.repeat(40));
    for value in [
        r#""""#,
        r#""a""#,
        r#""\"""#,
        r#""\\""#,
        r#""\\\"""#,
        r#""}]{[""#,
        r#""exactly 24 bytes of text""#,
        r#""a text of twenty-three""#,
        &long,
        "0",
        "-1.5e+3",
        "true",
        "null",
        "[]",
        "{}",
        r#"[ [ {"a" : [1, "]"] } ] , 2 ]"#,
    ] {
        for text in [
            format!(r#"{{"k":{value},"last":1}}"#),
            format!(" {{ \"k\" : {value}\t, \"last\"\r\n:\n1 }} \r"),
        ] {
            let expected = [
                ("k".to_owned(), value.to_owned()),
                ("last".to_owned(), "1".to_owned()),
            ];
            assert_eq!(members(&text).as_deref(), Some(&expected[..]), "{text}");
        }
    }
    assert_eq!(members("{}"), Some(Vec::new()));
}

#[test]
fn what_is_not_one_whole_object_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[]",
        "1",
        "{}{}",
        "{} x",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1"b":2}"#,
        r#"{a:1}"#,
        r#"{"a":1]"#,
        r#"{"a":"}"#,
        r#"{"a":"\"}"#,
        r#"{"a":[}"#,
        r#"{"a":[oops]}"#,
        r#"{"a":#}"#,
        r#"{"text":"cut{"text":"joined"}"#,
        r#"{"texts":["cut{"text":"joined"}"#,
    ] {
        assert_eq!(members(text), None, "{text}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let open = "[".repeat(1_000_000);
    assert_eq!(members(&format!(r#"{{"a":{open}"#)), None);
    let close = "]".repeat(1_000_000);
    assert_eq!(
        members(&format!(r#"{{"a":{open}{close}}}"#)).map(|found| found.len()),
        Some(1)
    );
}

#[test]
fn texts_are_decoded() {
    for (value, text) in [
        (&br#""plain""#[..], Some("plain")),
        (br#""C:\\work\\\u00e9\n""#, Some("C:\\work\\\u{e9}\n")),
        (b"\"caf\xe9\"", Some("caf\u{fffd}")),
        (b"\"caf\xe9\\\\\"", Some("caf\u{fffd}\\")),
        (br#""half \ud800 pair""#, Some("half \\ud800 pair")),
        (br#""""#, None),
        (b"null", None),
        (b"12", None),
        (b"", None),
    ] {
        assert_eq!(
            Value(value).text().as_deref(),
            text,
            "{}",
            String::from_utf8_lossy(value)
        );
    }
}

#[test]
fn c46_counts_are_clamped_parsed_or_nothing() {
    for (value, count) in [
        ("0", 0),
        ("12", 12),
        ("-5", 0),
        ("-0.5", 0),
        ("12.9", 12),
        ("1.5e3", 1500),
        (r#""12""#, 12),
        (r#"" 12.9 ""#, 12),
        (r#""-12""#, 0),
        (r#""many""#, 0),
        (r#""inf""#, 0),
        (r#""NaN""#, 0),
        ("null", 0),
        ("true", 0),
        ("{}", 0),
        ("", 0),
        ("999999999999999999", 999_999_999_999_999_999),
        ("18446744073709551616", u64::MAX),
        ("1e999", u64::MAX),
    ] {
        assert_eq!(Value(value.as_bytes()).count(), count, "{value}");
    }
}

#[test]
fn instants_are_text_or_epoch_numbers() {
    for (value, millis) in [
        (r#""2026-11-20T09:00:01.250Z""#, Some(1_795_165_201_250)),
        ("1795165201250", Some(1_795_165_201_250)),
        ("1795165201250.7", Some(1_795_165_201_250)),
        ("1795165201", Some(1_795_165_201_000)),
        ("0", None),
        ("-1", None),
        ("1e300", None),
        ("null", None),
        (r#""soon""#, None),
        ("", None),
    ] {
        assert_eq!(
            Value(value.as_bytes()).instant().map(|at| at.0),
            millis,
            "{value}"
        );
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        r#"["\\{}\[\],: ]{0,60}"#.prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map("[a-z]{0,9}", inner, 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn members_are_those_that_a_full_parser_sees(values in prop::collection::vec(any_json(), 0..5), pretty: bool) {
        let object: serde_json::Map<_, _> =
            values.into_iter().enumerate().map(|(index, value)| (format!("key{index}"), value)).collect();
        let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) };
        let text = text.expect("a map is JSON");
        let found: serde_json::Map<_, _> = members(&text)
            .expect("well-formed")
            .into_iter()
            .map(|(key, value)| (key, serde_json::from_str(&value).expect("a value's whole text")))
            .collect();
        let parsed: serde_json::Map<_, _> = serde_json::from_str(&text).expect("well-formed");
        prop_assert_eq!(found, parsed);
    }
}
