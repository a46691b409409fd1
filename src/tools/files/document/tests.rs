//! Documents of other programs, whole and damaged.

use super::*;
use std::io::Write as _;

const REPORT: &[u8] = include_bytes!("../../../../tests/api/fixtures/report.docx");
const NUMBERS: &[u8] = include_bytes!("../../../../tests/api/fixtures/numbers.xlsx");
const PRICES: &[u8] = include_bytes!("../../../../tests/api/fixtures/prices.xlsx");
const PLAN: &[u8] = include_bytes!("../../../../tests/api/fixtures/plan.ipynb");

fn read(kind: Kind, bytes: &[u8]) -> Result<Text, Trouble> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    io::Seek::rewind(&mut file).unwrap();
    kind.text(file)
}

#[test]
fn a_word_file_is_markdown() {
    let text = read(Kind::Word, REPORT).unwrap();
    let expected = "\
# Quarterly report

# Sales
Sales grew by 7 % in the north & south <all>.
- first point
- second point

| Region | Units |
|---|---|
| North; in, ner | 12 |
| South \\| East | 30 estimated |

## Outlook
Before\tthe tab
after the break[comment 0]

[comment 0 by Eve]: Is that so?
";
    assert_eq!((text.lines.as_str(), text.whole), (expected, true));
}

#[test]
fn a_workbook_is_its_sheets_and_rows() {
    let numbers = "\
## Sheet: Numbers
Name\tCount\tShare\tSince\tAt
Käse\t12\t0.25\t2024-02-29\t2024-02-29 13:45:30
two lines\t-3.5\tTRUE\t\t07:05:00
(rows 4 to 5 are empty)
sum\t=SUM(B2:B3)\t\t#N/A

## Sheet: Hidden & quiet (hidden)
(rows 1 to 2 are empty)
\t\tfar

## Sheet: Empty
";
    assert_eq!(read(Kind::Workbook, NUMBERS).unwrap().lines, numbers);
    let prices = "## Sheet: Prices\napple\t1.5\npear\t2\napple\t3.5\nso rich\n";
    assert_eq!(read(Kind::Workbook, PRICES).unwrap().lines, prices);
}

#[test]
fn a_notebook_is_its_cells_and_what_of_their_outputs_is_text() {
    let expected = "\
[cell 1: markdown]
# Plan
A line.

[cell 2: code]
import math
print(math.pi)
[output]
3.14
[output]
{'a': 1}
[output]
<Figure>
[output: image/png, not shown]
[output: image/png, not shown]
[error]
Traceback
ValueError: bad

[cell 3: code]
pass
";
    assert_eq!(read(Kind::Notebook, PLAN).unwrap().lines, expected);
}

#[test]
fn no_damage_does_more_than_being_told() {
    for (kind, whole) in [(Kind::Word, REPORT), (Kind::Workbook, NUMBERS), (Kind::Notebook, PLAN)] {
        for at in (0..whole.len()).step_by(7) {
            assert!(read(kind, &whole[..at]).is_err(), "{kind:?} cut at {at}");
            let mut bent = whole.to_vec();
            bent[at] ^= 0x15;
            // Some bytes matter to nobody: a date, a name that is not read.
            drop(read(kind, &bent));
        }
    }
}

#[test]
fn a_notebook_of_millions_of_nothing_is_read_without_keeping_it() {
    let cell = |outputs: &str| format!(r#"{{"cell_type":"code","source":"x","outputs":[{outputs}]}}"#);
    let outputs = vec!["{}"; 100_000].join(",");
    let cells = vec![cell(""); 30_000].join(",");
    let text =
        read(Kind::Notebook, format!(r#"{{"cells":[{},{cells}]}}"#, cell(&outputs)).as_bytes()).unwrap();
    assert!(text.lines.contains("[99800 more outputs are left out]"));
    assert!(text.lines.ends_with("[10001 more cells are left out]\n"));
}
