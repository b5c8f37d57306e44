-- flowhound's history in ClickHouse: conversations, a row each, and records, a row for each direction.
-- In a server, file() reads below user_files: mount or link the history there and change the path.

CREATE OR REPLACE FUNCTION address AS (a) -> replaceOne(IPv6NumToString(a), '::ffff:', '');
CREATE OR REPLACE FUNCTION ip AS (t) -> CAST(IPv6StringToNum(if(position(t, ':') > 0, t, concat('::ffff:', t))), 'FixedString(16)');

CREATE OR REPLACE VIEW flows AS
  SELECT * FROM file('/var/lib/flowhound/flows/????-??-??/*.parquet', Parquet);

-- A row for each conversation; counts are multiplied by the sampling rate.
CREATE OR REPLACE VIEW conversations AS SELECT
  start, addMilliseconds(start, dur) AS end, src, dst, sport, dport, proto, tcp_flags, tos, in_if, out_if, icmp_type, icmp_code,
  nat_src, nat_dst, scc, dcc, sas, das, exporter, domain, sampling,
  bytes * greatest(sampling, 1) AS total_bytes, packets * greatest(sampling, 1) AS total_packets,
  rev_has <> 0 OR bitAnd(has, 64) <> 0 AND (rev_bytes <> 0 OR rev_packets <> 0) AS answered,
  rev_bytes * greatest(sampling, 1) AS total_rev_bytes, rev_packets * greatest(sampling, 1) AS total_rev_packets, rev_tcp_flags
  FROM flows;

-- A row for each record: src is who sent it. The answer to a flow behind NAT goes to the address outside.
CREATE OR REPLACE VIEW records AS
  SELECT start, src, dst, toInt32(sport) AS sport, toInt32(dport) AS dport, proto, tcp_flags, in_if, out_if, toInt32(icmp_type) AS icmp_type, scc, dcc, sas, das, exporter, domain, sampling,
    bytes * greatest(sampling, 1) AS bytes, packets * greatest(sampling, 1) AS packets
  FROM flows
  UNION ALL
  SELECT addMilliseconds(f.start, f.rev_delay + CASE WHEN f.start_ns >= 0 AND f.start_ns + f.rev_delay_ns >= 1000000 THEN 1 ELSE 0 END),
    if(f.nat_dst <> toFixedString('', 16), f.nat_dst, f.dst), if(f.nat_src <> toFixedString('', 16), f.nat_src, f.src),
    toInt32(multiIf((f.proto = 1 AND f.icmp_type = 8 OR f.proto = 58 AND f.icmp_type = 128) AND f.sport = 0 AND f.dport = f.icmp_type * 256 + f.icmp_code AND f.nat_src = toFixedString('', 16) AND f.nat_dst = toFixedString('', 16), 0,
      f.nat_dst <> toFixedString('', 16) AND f.nat_dport <> -1, f.nat_dport, f.dport)),
    toInt32(multiIf((f.proto = 1 AND f.icmp_type = 8 OR f.proto = 58 AND f.icmp_type = 128) AND f.sport = 0 AND f.dport = f.icmp_type * 256 + f.icmp_code AND f.nat_src = toFixedString('', 16) AND f.nat_dst = toFixedString('', 16), if(f.proto = 1, 0, 33024) + f.icmp_code,
      f.nat_src <> toFixedString('', 16) AND f.nat_sport <> -1, f.nat_sport, f.sport)),
    f.proto, f.rev_tcp_flags, f.out_if, f.in_if,
    toInt32(multiIf(f.proto = 1 AND f.icmp_type = 8, 0, f.proto = 58 AND f.icmp_type = 128, 129, f.icmp_type)),
    f.dcc, f.scc, f.das, f.sas, f.exporter, f.domain, f.sampling, f.rev_bytes * greatest(f.sampling, 1), f.rev_packets * greatest(f.sampling, 1)
  FROM flows AS f
  WHERE f.rev_has <> 0 OR bitAnd(f.has, 64) <> 0 AND (f.rev_bytes <> 0 OR f.rev_packets <> 0);
