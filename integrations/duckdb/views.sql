-- flowhound's history in DuckDB: conversations, a row each, and records, a row for each direction.
-- Set the folder once a session, then read this file:
--   SET VARIABLE flows = '/var/lib/flowhound/flows'; .read views.sql

-- The text of an address, and an address of its text (IPv6 with all eight groups, or IPv4).
CREATE OR REPLACE TEMP MACRO address(b) AS CASE
  WHEN b = repeat('\x00', 16)::BLOB THEN NULL
  WHEN hex(b)[1:24] = '00000000000000000000FFFF' THEN concat_ws('.', ('0x' || hex(b)[25:26])::INT, ('0x' || hex(b)[27:28])::INT, ('0x' || hex(b)[29:30])::INT, ('0x' || hex(b)[31:32])::INT)
  ELSE lower(concat_ws(':', hex(b)[1:4], hex(b)[5:8], hex(b)[9:12], hex(b)[13:16], hex(b)[17:20], hex(b)[21:24], hex(b)[25:28], hex(b)[29:32])) END;
CREATE OR REPLACE TEMP MACRO ip(t) AS CASE
  WHEN t LIKE '%.%' THEN unhex('00000000000000000000FFFF' || array_to_string(list_transform(string_split(t, '.'), lambda x: printf('%02X', x::INT)), ''))
  ELSE unhex(array_to_string(list_transform(string_split(t, ':'), lambda x: lpad(x, 4, '0')), '')) END;
CREATE OR REPLACE TEMP MACRO zero() AS unhex('00000000000000000000000000000000');

CREATE OR REPLACE TEMP VIEW flows AS
  SELECT * FROM read_parquet(getvariable('flows') || '/????-??-??/*.parquet', union_by_name = true);

-- A row for each conversation; counts are multiplied by the sampling rate.
CREATE OR REPLACE TEMP VIEW conversations AS SELECT
  start, start + to_milliseconds(dur) AS "end", src, dst, sport, dport, proto, tcp_flags, tos, in_if, out_if, icmp_type, icmp_code,
  nat_src, nat_dst, scc, dcc, sas, das, exporter, domain, sampling,
  bytes * greatest(sampling, 1) AS bytes, packets * greatest(sampling, 1) AS packets,
  rev_has <> 0 OR (has & 64) <> 0 AND (rev_bytes <> 0 OR rev_packets <> 0) AS answered,
  rev_bytes * greatest(sampling, 1) AS rev_bytes, rev_packets * greatest(sampling, 1) AS rev_packets, rev_tcp_flags
  FROM flows;

-- A row for each record: src is who sent it. The answer to a flow behind NAT goes to the address outside.
CREATE OR REPLACE TEMP VIEW records AS
  SELECT start, src, dst, sport, dport, proto, tcp_flags, in_if, out_if, icmp_type, scc, dcc, sas, das, exporter, domain, sampling,
    bytes * greatest(sampling, 1) AS bytes, packets * greatest(sampling, 1) AS packets
  FROM flows
  UNION ALL
  SELECT start + to_milliseconds(rev_delay + CASE WHEN start_ns >= 0 AND start_ns + rev_delay_ns >= 1000000 THEN 1 ELSE 0 END),
    CASE WHEN nat_dst <> zero() THEN nat_dst ELSE dst END, CASE WHEN nat_src <> zero() THEN nat_src ELSE src END,
    CASE WHEN (proto = 1 AND icmp_type = 8 OR proto = 58 AND icmp_type = 128) AND sport = 0 AND dport = icmp_type * 256 + icmp_code AND nat_src = zero() AND nat_dst = zero() THEN 0
      WHEN nat_dst <> zero() AND nat_dport <> -1 THEN nat_dport ELSE dport END,
    CASE WHEN (proto = 1 AND icmp_type = 8 OR proto = 58 AND icmp_type = 128) AND sport = 0 AND dport = icmp_type * 256 + icmp_code AND nat_src = zero() AND nat_dst = zero() THEN CASE WHEN proto = 1 THEN 0 ELSE 33024 END + icmp_code
      WHEN nat_src <> zero() AND nat_sport <> -1 THEN nat_sport ELSE sport END,
    proto, rev_tcp_flags, out_if, in_if,
    CASE WHEN proto = 1 AND icmp_type = 8 THEN 0 WHEN proto = 58 AND icmp_type = 128 THEN 129 ELSE icmp_type END,
    dcc, scc, das, sas, exporter, domain, sampling, rev_bytes * greatest(sampling, 1), rev_packets * greatest(sampling, 1)
  FROM flows
  WHERE rev_has <> 0 OR (has & 64) <> 0 AND (rev_bytes <> 0 OR rev_packets <> 0);
