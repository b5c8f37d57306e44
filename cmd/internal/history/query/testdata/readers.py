"""Reads a history in place with DuckDB, ClickHouse (chdb) or by Spark's rules (pyarrow).

readers.py duckdb|clickhouse|spark DIR INTEGRATIONS

Prints a line of JSON for each record of the view records, then one for each answer to the
three questions, each with its number.
"""
import glob
import json
import sys


def split(path):
    text = "\n".join(l for l in open(path) if not l.startswith("--"))
    return [s.strip() for s in text.split(";") if s.strip()]


def duckdb(dir, integrations):
    import duckdb as db
    c = db.connect()
    c.execute("SET TimeZone = 'UTC'")
    c.execute("SET VARIABLE flows = '%s'" % dir)
    for s in split(integrations + "/duckdb/views.sql"):
        c.execute(s)
    record = "epoch_ms(start), address(src), address(dst), sport, dport, proto, tcp_flags, in_if, out_if, icmp_type, scc, dcc, sas, das, bytes, packets"
    yield from ([0, *r] for r in c.execute("SELECT %s FROM records" % record).fetchall())
    for n, s in enumerate(split(integrations + "/duckdb/questions.sql"), 1):
        yield from ([n, *r] for r in c.execute(s).fetchall())
    yield [4, *c.execute("SELECT count(*), count(*) FILTER (answered), sum(bytes + rev_bytes)::BIGINT FROM conversations").fetchone()]


def clickhouse(dir, integrations):
    from chdb import session
    s = session.Session()

    def ask(q):
        out = str(s.query(q, "JSONCompactEachRow"))
        return [json.loads(l) for l in out.splitlines() if l]

    for q in split(integrations + "/clickhouse/views.sql"):
        s.query(q.replace("/var/lib/flowhound/flows", dir))
    record = "toUnixTimestamp64Milli(start), address(src), address(dst), sport, dport, proto, tcp_flags, in_if, out_if, icmp_type, scc, dcc, sas, das, bytes, packets"
    settings = " SETTINGS output_format_json_quote_64bit_integers = 0"
    yield from ([0, *r] for r in ask("SELECT %s FROM records%s" % (record, settings)))
    for n, q in enumerate(split(integrations + "/clickhouse/questions.sql"), 1):
        yield from ([n, *r] for r in ask(q + settings))
    yield [4, *ask("SELECT count(), countIf(answered), sum(total_bytes + total_rev_bytes) FROM conversations" + settings)[0]]


def spark(dir, integrations):
    """Spark's reader takes no unsigned types, of fixed lengths only bytes and decimals, and of
    the encodings plain, dictionary, RLE and the three deltas that are older than Parquet 2.4."""
    import pyarrow.parquet as pq
    known = {"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY", "BIT_PACKED", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"}
    for path in sorted(glob.glob(dir + "/????-??-??/*.parquet")):
        f = pq.ParquetFile(path)
        schema = f.metadata.schema
        for i in range(len(schema)):
            c = schema.column(i)
            kind = str(c.logical_type)
            if "Int(" in kind and "isSigned=false" in kind or c.physical_type not in ("INT32", "INT64", "FIXED_LEN_BYTE_ARRAY", "BYTE_ARRAY"):
                yield [5, c.name, c.physical_type, kind]
            if kind.startswith("Timestamp") and ("milliseconds" not in kind or "isAdjustedToUTC=true" not in kind):
                yield [5, c.name, kind]
        for g in range(f.metadata.num_row_groups):
            for i in range(f.metadata.num_columns):
                c = f.metadata.row_group(g).column(i)
                bad = set(c.encodings) - known
                if bad or c.compression not in ("ZSTD", "SNAPPY", "UNCOMPRESSED", "GZIP"):
                    yield [5, c.path_in_schema, sorted(bad), c.compression]
        t = f.read()
        yield [6, t.num_rows, sum(t["bytes"].to_pylist())]


for row in {"duckdb": duckdb, "clickhouse": clickhouse, "spark": spark}[sys.argv[1]](sys.argv[2], sys.argv[3]):
    print(json.dumps(row, default=lambda v: v.strftime("%Y-%m-%d %H:%M:%S") if hasattr(v, "strftime") else str(v)))
