//! Notebooks, Word and Excel files: the agent reads what they say, whatever somebody made of them.

use crate::support::{Client, House, called};
use flate2::{Compression, write::DeflateEncoder};
use rawzip::{CompressionMethod, ZipArchiveWriter};
use serde_json::{Value, json};
use std::{fs, io::Write as _, path::PathBuf};

const WORD: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument";

fn put(house: &House, name: &str, bytes: &[u8]) -> PathBuf {
    let folder = house.profile_dir("alice").join("workspace");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
    folder.join(name)
}

async fn read(house: &House, alice: &Client, arguments: Value) -> Value {
    called(house, alice, "read_file", arguments).await
}

/// An archive of these parts.
fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut bytes);
    for (name, content) in parts {
        let (mut entry, config) =
            archive.new_file(name).compression_method(CompressionMethod::DEFLATE).start().unwrap();
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::best()));
        writer.write_all(content).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

/// A document whose main part is this.
fn office(main: &[u8]) -> Vec<u8> {
    let relations =
        format!(r#"<Relationships><Relationship Id="a" Type="{WORD}" Target="main.xml"/></Relationships>"#);
    archive(&[("_rels/.rels", relations.as_bytes()), ("main.xml", main)])
}

/// A workbook of one sheet, and the texts that its cells refer to.
fn book(rows: &str, shared: &str) -> Vec<u8> {
    let relation = |kind: &str, target: &str| {
        format!(r#"<Relationship Id="{kind}" Type="x/{kind}" Target="{target}"/>"#)
    };
    let relations = |all: &str| format!("<Relationships>{all}</Relationships>");
    let of_main = relation("worksheet", "sheet.xml") + &relation("sharedStrings", "shared.xml");
    archive(&[
        ("_rels/.rels", relations(&relation("officeDocument", "main.xml")).as_bytes()),
        ("_rels/main.xml.rels", relations(&of_main).as_bytes()),
        (
            "main.xml",
            br#"<workbook><sheets><sheet name="S" sheetId="1" r:id="worksheet"/></sheets></workbook>"#,
        ),
        ("sheet.xml", format!("<worksheet><sheetData>{rows}</sheetData></worksheet>").as_bytes()),
        ("shared.xml", shared.as_bytes()),
    ])
}

fn sheet(rows: &str) -> Vec<u8> {
    book(rows, "<sst/>")
}

#[actix_web::test]
async fn documents_are_read_as_text_page_by_page_and_stay_as_they_are() {
    let house = House::open().await;
    let alice = house.alice().await;
    let cases: [(&str, &[u8], &str, &str); 3] = [
        (
            "report.docx",
            include_bytes!("fixtures/report.docx"),
            "docx",
            "11|| South \\| East | 30 estimated |",
        ),
        (
            "numbers.xlsx",
            include_bytes!("fixtures/numbers.xlsx"),
            "xlsx",
            "3|Käse\t12\t0.25\t2024-02-29\t2024-02-29 13:45:30",
        ),
        ("plan.ipynb", include_bytes!("fixtures/plan.ipynb"), "notebook", "9|3.14"),
    ];
    for (name, bytes, format, line) in cases {
        let path = put(&house, name, bytes);
        let whole = read(&house, &alice, json!({"path": name})).await;
        let lines: Vec<&str> = whole["content"].as_str().unwrap().split('\n').collect();
        assert!(lines.contains(&line), "{name}: {whole}");
        assert_eq!((&whole["format"], &whole["truncated"]), (&json!(format), &json!(false)), "{whole}");
        assert_eq!(whole["file_size"], bytes.len());
        assert_eq!(whole["total_lines"], lines.len(), "{whole}");

        let part = read(&house, &alice, json!({"path": name, "offset": 3, "limit": 2})).await;
        assert_eq!(part["content"], lines[2..4].join("\n"));
        assert!(part["truncated"] == true && part["hint"].as_str().unwrap().contains("offset=5"), "{part}");
        assert_eq!(fs::read(path).unwrap(), bytes, "nobody writes to it");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_document_that_is_damaged_or_none_is_told_as_that() {
    let house = House::open().await;
    let alice = house.alice().await;
    let report: &[u8] = include_bytes!("fixtures/report.docx");
    let entities =
        br#"<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><w:document><w:t>&b;</w:t></w:document>"#;
    let deep = [b"<a>".repeat(2_000), b"</a>".repeat(2_000)].concat();
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("half.docx", report[..report.len() / 2].to_vec(), "damaged_document"),
        ("other.docx", archive(&[("a.txt", b"hello")]), "damaged_document"),
        ("entities.docx", office(entities), "damaged_document"),
        ("deep.docx", office(&deep), "damaged_document"),
        ("open.xlsx", office(b"<workbook><sheets>"), "damaged_document"),
        ("old.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0".to_vec(), "binary_file"),
        ("some.zip", archive(&[("a.txt", b"hello")]), "binary_file"),
    ];
    for (name, bytes, code) in cases {
        put(&house, name, &bytes);
        let told = read(&house, &alice, json!({"path": name})).await;
        assert_eq!(told["code"], code, "{name}: {told}");
        assert!(!told["hint"].as_str().unwrap().is_empty(), "{name}: {told}");
    }
    // What is text all the same can be read, and mended.
    put(&house, "half.ipynb", b"{\"cells\": [\n");
    let half = read(&house, &alice, json!({"path": "half.ipynb"})).await;
    assert_eq!(half["content"], "1|{\"cells\": [");
    assert!(half["hint"].as_str().unwrap().contains("no notebook"), "{half}");
    put(&house, "words.docx", b"just words");
    assert_eq!(read(&house, &alice, json!({"path": "words.docx"})).await["content"], "1|just words");
    house.close().await;
}

#[actix_web::test]
async fn a_document_that_unpacks_to_more_than_reading_may_take_is_no_burden() {
    let house = House::open().await;
    let alice = house.alice().await;
    let blanks = vec![b' '; 70 << 20];
    let many: Vec<(String, &[u8])> = (0..10_001).map(|at| (format!("{at}"), &b""[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    for (name, bytes) in [("blanks.docx", office(&blanks)), ("many.docx", archive(&many))] {
        assert!(bytes.len() < 2 << 20, "{name} is small by itself");
        put(&house, name, &bytes);
        let told = read(&house, &alice, json!({"path": name})).await;
        assert_eq!(told["code"], "too_large", "{name}: {told}");
    }
    // Rows and columns are as many as are written, not as far apart as they say.
    let far = r#"<row r="1"><c r="XFD1"><v>1</v></c><c r="ZZZZZZZZ1" t="str"><v>beyond</v></c></row>
        <row r="18446744073709551615"><c r="A1"><v>3</v></c></row><row><c><v>4</v></c></row>"#;
    put(&house, "far.xlsx", &sheet(far));
    let told = read(&house, &alice, json!({"path": "far.xlsx"})).await;
    let content = told["content"].as_str().unwrap();
    assert!(content.contains("|(rows 2 to 18446744073709551614 are empty)\n"), "{content}");
    assert!(!content.contains("beyond"), "there is no such column: {content}");

    // One long text in every cell of a row would be gigabytes.
    let text = "x".repeat(4 << 20);
    let cells = "<c t=\"s\"><v>0</v></c>".repeat(16_000);
    put(
        &house,
        "same.xlsx",
        &book(&format!("<row>{cells}</row>"), &format!("<sst><si><t>{text}</t></si></sst>")),
    );
    let told = read(&house, &alice, json!({"path": "same.xlsx", "limit": 1})).await;
    assert!(told["truncated"] == true && told["format"] == "xlsx", "{told}");
    // So would one piece of XML that does not end.
    put(&house, "piece.docx", &office(format!("<w:document w:a='{}", "y".repeat(20 << 20)).as_bytes()));
    assert_eq!(read(&house, &alice, json!({"path": "piece.docx"})).await["code"], "too_large");

    let rows: String = (0..40_000).map(|_| format!("<row><c><v>{}</v></c></row>", "7".repeat(300))).collect();
    put(&house, "long.xlsx", &sheet(&rows));
    let told = read(&house, &alice, json!({"path": "long.xlsx", "limit": 1})).await;
    assert!(told["truncated"] == true && told["hint"].as_str().unwrap().contains("longer"), "{told}");
    house.close().await;
}

#[actix_web::test]
async fn no_text_is_written_where_a_document_belongs() {
    let house = House::open().await;
    let alice = house.alice().await;
    let bytes: &[u8] = include_bytes!("fixtures/report.docx");
    let path = put(&house, "report.docx", bytes);
    put(&house, "a.txt", b"one\n");
    let moved = "*** Begin Patch\n*** Update File: a.txt\n*** Move to: b.xlsx\n@@\n-one\n+two\n*** End Patch";
    let added = "*** Begin Patch\n*** Add File: c.docx\n+text\n*** End Patch";
    let calls = [
        ("write_file", json!({"path": "report.docx", "content": "text"})),
        ("write_file", json!({"path": "new.XLSX", "content": "a,b"})),
        ("patch", json!({"path": "report.docx", "old_string": "Sales", "new_string": "Costs"})),
        ("patch", json!({"mode": "patch", "patch": moved})),
        ("patch", json!({"mode": "patch", "patch": added})),
    ];
    for (tool, arguments) in calls {
        let told = called(&house, &alice, tool, arguments.clone()).await;
        assert_eq!(told["code"], "binary_file", "{arguments}: {told}");
        assert!(told["hint"].as_str().unwrap().contains("program"), "{told}");
    }
    assert_eq!(fs::read(&path).unwrap(), bytes);
    let mut names: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.txt", "report.docx"], "nothing was made");

    let wrong = called(&house, &alice, "write_file", json!({"path": "n.ipynb", "content": "{"})).await;
    assert_eq!(wrong["lint"]["status"], "error", "a notebook is JSON: {wrong}");
    house.close().await;
}
