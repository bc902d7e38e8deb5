"""Tables in parts: where they begin, which rows they have, and how they are written again."""

import datetime
import decimal
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zoo.scoring import tables, writing
from zoo.scoring.tables import TableError, look_through, read_rows, schema_of

pytestmark = pytest.mark.once

CSV = '\ufeffid,text\r\n007,"two\nlines, ""quoted"""\r\n008,\r\n\r\n009,한국어\r\n'
JSON = '{"id": 1, "text": "a", "more": [1]}\n\n{"id": 2.5, "text": null}\nno json\n[3]\n{"x": true}'


def rows_of(path, part_rows, size=100):
    """The rows of each part."""
    table = look_through(path, part_rows, "line")
    found = []
    for part in table.parts:
        chunks = list(read_rows(table, part, size, "line"))
        found.append(
            [
                row
                for chunk in chunks
                for row in (chunk if isinstance(chunk, list) else chunk.to_pylist())
            ]
        )
        assert part.rows == len(found[-1])
    return table, found


def test_rows_of_csv_begin_after_quoted_line_breaks(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(CSV.encode())
    table, parts = rows_of(path, 1)
    assert list(table.columns) == ["id", "text"] and table.rows == 3
    texts = ['two\nlines, "quoted"', "", "한국어"]
    assert parts == [[{"id": f"00{7 + i}", "text": text}] for i, text in enumerate(texts)]
    assert rows_of(path, 2)[1] == [parts[0] + parts[1], parts[2]]


def test_csv_rows_with_other_cells_say_so(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1\n1,2,3\n")
    (few, many) = rows_of(path, 10)[1][0]
    assert few == {"a": "1", None: "A row must have 2 cells. Received: 1"}
    assert many[None] == "A row must have 2 cells. Received: 3, with ['3']"


def test_blank_lines_are_rows_of_a_single_column(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("text\na\n\nb\n")
    assert rows_of(path, 2)[1] == [[{"text": "a"}, {"text": ""}], [{"text": "b"}]]


def test_rows_of_json_lines(tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text(JSON)
    table, parts = rows_of(path, 2)
    assert parts == [
        [{"id": 1, "text": "a", "more": [1]}, {"id": 2.5, "text": None}],
        [
            {"line": "no json", None: "A line must be a JSON object."},
            {"line": "[3]", None: "A line must be a JSON object."},
        ],
        [{"x": True}],
    ]
    kinds = {"id": "number", "text": "string", "more": "json", "line": "string", "x": "boolean"}
    assert table.columns == kinds
    types = [pa.float64(), pa.string(), pa.string(), pa.string(), pa.bool_()]
    assert schema_of(table).types == types


@pytest.mark.parametrize("group", [3, 4, 100])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_parts_of_parquet_need_no_row_groups(tmp_path, group, size):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"n": list(range(10))}), path, row_group_size=group)
    found = rows_of(path, 4, size)[1]
    assert [[row["n"] for row in rows] for rows in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_the_number_of_rows_is_told_after_each_part(tmp_path, name):
    if name == "t.parquet":
        pq.write_table(pa.table({"n": list(range(10))}), tmp_path / name)
    else:
        header = "n\n" if name == "t.csv" else ""
        (tmp_path / name).write_text(header + '{"n":1}\n' * 10)
    told = []
    table = look_through(tmp_path / name, 4, "line", told.append)
    assert told == [4, 8, 10] and [part.rows for part in table.parts] == [4, 4, 2]


def test_a_folder_is_one_table(tmp_path):
    folder = tmp_path / "table.csv"
    folder.mkdir()
    for name, rows in {"part-2.csv": "3\n", "part-1.csv": "1\n2\n", "_SUCCESS": ""}.items():
        (folder / name).write_text(f"n\n{rows}")
    assert rows_of(folder, 2)[1] == [[{"n": "1"}, {"n": "2"}], [{"n": "3"}]]
    (folder / "part-3.csv").write_text("m\n4\n")
    with pytest.raises(
        TableError, match=r"columns: n \(string\). Received: m \(string\) in .*part-3.csv"
    ):
        look_through(folder, 2, "line")


def test_a_folder_of_json_lines_as_spark_writes_it(tmp_path):
    folder = tmp_path / "table.jsonl"
    folder.mkdir()
    (folder / "_temporary").mkdir()
    (folder / ".part-0.json.crc").write_text("checksum")
    with pytest.raises(TableError, match=r"no .jsonl or .json files"):
        look_through(folder, 2, "line")
    (folder / "part-0.json").write_text('{"n": 1}\n')
    (folder / "part-1.jsonl").write_text('{"n": 2}\n')
    assert rows_of(folder, 2)[1] == [[{"n": 1}], [{"n": 2}]]


def test_folders_in_a_folder_are_refused(tmp_path):
    folder = tmp_path / "table.csv"
    (folder / "year=2024").mkdir(parents=True)
    for path in (folder / "part-0.csv", folder / "year=2024" / "part-0.csv"):
        path.write_text("n\n1\n")
    with pytest.raises(TableError, match="are not read. Received: .*year=2024"):
        look_through(folder, 2, "line")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("t.csv", "", "first line must name the columns"),
        ("t.csv", "a,a\n1,2\n", "different names"),
        ("t.csv", "a,b\n", "no rows"),
        ("t.jsonl", "\n", "no rows"),
        ("t.parquet", "no Parquet", "no Parquet file"),
        ("t.tsv", "a\n", "must end in .csv, .jsonl, .parquet"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=message):
        look_through(tmp_path / name, 2, "line")


def test_an_open_quote_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_BYTES", 1000)
    path = tmp_path / "table.csv"
    path.write_text('a,b\n1,2\n"' + "x\n" * 1000)
    with pytest.raises(TableError, match="after row 2 .* field limit .*must be closed"):
        look_through(path, 2, "line")


@pytest.mark.parametrize("end", ["", "\n", "\n4,good\n", '"", x\n'])
def test_a_quote_that_is_open_at_the_end_is_refused(tmp_path, end):
    path = tmp_path / "table.csv"
    path.write_text('id,text\n1,ok\n2,"great movie' + end)
    with pytest.raises(TableError, match="after row 2 .* quote is open at the end.*must be closed"):
        look_through(path, 2, "line")


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_quotes_that_are_closed_may_end_a_file(tmp_path, end):
    path = tmp_path / "table.csv"
    path.write_text('id,text\n1,"bad" one\n2,"good"' + end)
    rows = [{"id": "1", "text": "bad one"}, {"id": "2", "text": "good"}]
    assert rows_of(path, 1)[1] == [[row] for row in rows]


def test_a_changed_file_is_noticed(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a\n1\n")
    table = look_through(path, 2, "line")
    assert tables.changed(table) is None
    path.write_text("a\n1\n2\n")
    assert tables.changed(table) == str(path)
    path.unlink()
    assert tables.changed(table) == str(path)


def test_a_new_file_of_a_folder_is_noticed(tmp_path):
    folder = tmp_path / "table.csv"
    folder.mkdir()
    (folder / "b.csv").write_text("a\n1\n")
    table = look_through(folder, 2, "line")
    assert tables.changed(table) is None
    (folder / "c.csv").write_text("a\n2\n")
    assert tables.changed(table) == str(folder / "c.csv")
    (folder / "c.csv").unlink()
    (folder / "b.csv").rename(folder / "a.csv")
    assert tables.changed(table) == str(folder / "a.csv")


def written(tmp_path, source, kind, part_rows=2):
    """A table of the file `source`, written in parts with a column more, and joined."""
    table = look_through(source, part_rows, "line")
    schema = writing.output_schema(schema_of(table), {"n": "long", "error": "string"})
    files = []
    for part in table.parts:
        chunks = [
            (chunk, [{"n": part.number, "error": None}] * len(chunk))
            for chunk in read_rows(table, part, 1, "line")
        ]
        files.append(tmp_path / f"{part.number}{kind}")
        writing.write(files[-1], kind, chunks, schema)
    writing.join(files, tmp_path / f"joined{kind}", kind, schema)
    return tmp_path / f"joined{kind}"


def test_types_of_parquet_stay(tmp_path):
    table = pa.table(
        {
            "text": pa.array(["a", None, "다"]).dictionary_encode(),
            "when": pa.array([datetime.datetime(2024, 1, 2, 3, 4, 5)] * 3, pa.timestamp("ns")),
            "price": pa.array([decimal.Decimal("1.10")] * 3),
            "count": pa.array([1, None, 2**64 - 1], pa.uint64()),
            "list": [[{"a": 1}], [], None],
        }
    ).replace_schema_metadata({"owner": "me"})
    pq.write_table(table, tmp_path / "table.parquet")
    found = pq.read_table(written(tmp_path, tmp_path / "table.parquet", ".parquet"))
    assert found.drop_columns(["n", "error"]).equals(table, check_metadata=False)
    assert found["n"].to_pylist() == [0, 0, 1] and found.schema.metadata[b"owner"] == b"me"
    lines = written(tmp_path, tmp_path / "table.parquet", ".jsonl").read_text().splitlines()
    assert json.loads(lines[2]) == {
        "text": "다",
        "when": "2024-01-02 03:04:05",
        "price": "1.10",
        "count": 2**64 - 1,
        "list": None,
        "n": 1,
        "error": None,
    }


def test_csv_stays_as_it_is(tmp_path):
    (tmp_path / "table.csv").write_bytes(CSV.encode())
    text = written(tmp_path, tmp_path / "table.csv", ".csv", 1).read_text()
    assert text == ('id,text,n,error\n007,"two\nlines, ""quoted""",0,\n008,,1,\n009,한국어,2,\n')


def test_a_cell_with_a_carriage_return_is_quoted(tmp_path):
    row = {"text": "one\rtwo", "note": "x\r\ny", "label": "z"}
    content = writing._csv_bytes([row, {"text": "a"}], list(row))
    assert content == b'"one\rtwo","x\r\ny",z\na,,\n'
    (tmp_path / "table.csv").write_bytes(b"text,note,label\n" + content)
    table = look_through(tmp_path / "table.csv", 9, "line")
    assert next(read_rows(table, table.parts[0], 9, "line"))[0] == row


def test_bytes_of_other_rows_stay_beside_half_a_character(tmp_path):
    (tmp_path / "table.csv").write_bytes(b"text\n\xff\n")
    table = look_through(tmp_path / "table.csv", 9, "line")
    (row,) = next(read_rows(table, table.parts[0], 9, "line"))
    written = writing._csv_bytes([row, {"text": "\u00e9 \ud83d"}], ["text"])
    assert written == b"\xff\n\xc3\xa9 ?\n"


def test_json_lines_stay_as_they_are(tmp_path):
    (tmp_path / "table.jsonl").write_text('{"b": [1, {"c": null}], "a": 1e400, "d": "\\ud800"}\n')
    text = written(tmp_path, tmp_path / "table.jsonl", ".jsonl").read_text()
    assert text == (
        '{"b": [1, {"c": null}], "a": Infinity, "d": "\\ud800", "n": 0, "error": null}\n'
    )


@pytest.mark.parametrize("order", [1, -1])
def test_integers_that_are_no_float_stay_beside_numbers(tmp_path, order):
    for numbers, expected in {
        (1, 2**53, 1.5): [1.0, 2.0**53, 1.5],
        (1, 2**53 + 1, -(2**63)): [1, 2**53 + 1, -(2**63)],
        (1, 2**53 + 1, 1.5): ["1", "9007199254740993", "1.5"],
        (1, 2**63): ["1", "9223372036854775808"],
    }.items():
        lines = [json.dumps({"n": number}) + "\n" for number in numbers[::order]]
        (tmp_path / "table.jsonl").write_text("".join(lines))
        table = look_through(tmp_path / "table.jsonl", 9, "line")
        (field,) = schema_of(table)
        rows = [row for chunk in read_rows(table, table.parts[0], 9, "line") for row in chunk]
        (array,) = writing._arrays(rows, [field])
        assert array.to_pylist() == expected[::order]


def test_json_lines_as_parquet_and_csv(tmp_path):
    (tmp_path / "table.jsonl").write_text(JSON)
    found = pq.read_table(written(tmp_path, tmp_path / "table.jsonl", ".parquet")).to_pylist()
    assert [row["id"] for row in found] == [1.0, 2.5, None, None, None]
    assert found[0]["more"] == "[1]" and found[2]["line"] == "no json" and found[4]["x"] is True
    text = written(tmp_path, tmp_path / "table.jsonl", ".csv").read_text()
    assert text.splitlines()[1] == "1,a,[1],,,0,"
    assert text.splitlines()[-1] == ",,,,true,2,"
