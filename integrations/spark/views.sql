-- flowhound's history in Spark SQL: conversations, a row each, and records, a row for each direction.

CREATE OR REPLACE TEMPORARY VIEW flows USING parquet OPTIONS (path '/var/lib/flowhound/flows/????-??-??/*.parquet');

-- A row for each conversation; counts are multiplied by the sampling rate.
CREATE OR REPLACE TEMPORARY VIEW conversations AS SELECT
  start, timestampadd(MILLISECOND, dur, start) AS end, src, dst, sport, dport, proto, tcp_flags, tos, in_if, out_if, icmp_type, icmp_code,
  nat_src, nat_dst, scc, dcc, sas, das, exporter, domain, sampling,
  bytes * greatest(sampling, 1) AS bytes, packets * greatest(sampling, 1) AS packets,
  rev_has <> 0 OR (has & 64) <> 0 AND (rev_bytes <> 0 OR rev_packets <> 0) AS answered,
  rev_bytes * greatest(sampling, 1) AS rev_bytes, rev_packets * greatest(sampling, 1) AS rev_packets, rev_tcp_flags
  FROM flows;

-- A row for each record: src is who sent it. The answer to a flow behind NAT goes to the address outside.
CREATE OR REPLACE TEMPORARY VIEW records AS
  SELECT start, src, dst, sport, dport, proto, tcp_flags, in_if, out_if, icmp_type, scc, dcc, sas, das, exporter, domain, sampling,
    bytes * greatest(sampling, 1) AS bytes, packets * greatest(sampling, 1) AS packets
  FROM flows
  UNION ALL
  SELECT timestampadd(MILLISECOND, rev_delay + CASE WHEN start_ns >= 0 AND start_ns + rev_delay_ns >= 1000000 THEN 1 ELSE 0 END, start),
    IF(nat_dst <> X'00000000000000000000000000000000', nat_dst, dst), IF(nat_src <> X'00000000000000000000000000000000', nat_src, src),
    CASE WHEN (proto = 1 AND icmp_type = 8 OR proto = 58 AND icmp_type = 128) AND sport = 0 AND dport = icmp_type * 256 + icmp_code AND nat_src = X'00000000000000000000000000000000' AND nat_dst = X'00000000000000000000000000000000' THEN 0
      WHEN nat_dst <> X'00000000000000000000000000000000' AND nat_dport <> -1 THEN nat_dport ELSE dport END,
    CASE WHEN (proto = 1 AND icmp_type = 8 OR proto = 58 AND icmp_type = 128) AND sport = 0 AND dport = icmp_type * 256 + icmp_code AND nat_src = X'00000000000000000000000000000000' AND nat_dst = X'00000000000000000000000000000000' THEN CASE WHEN proto = 1 THEN 0 ELSE 33024 END + icmp_code
      WHEN nat_src <> X'00000000000000000000000000000000' AND nat_sport <> -1 THEN nat_sport ELSE sport END,
    proto, rev_tcp_flags, out_if, in_if,
    CASE WHEN proto = 1 AND icmp_type = 8 THEN 0 WHEN proto = 58 AND icmp_type = 128 THEN 129 ELSE icmp_type END,
    dcc, scc, das, sas, exporter, domain, sampling, rev_bytes * greatest(sampling, 1), rev_packets * greatest(sampling, 1)
  FROM flows
  WHERE rev_has <> 0 OR (has & 64) <> 0 AND (rev_bytes <> 0 OR rev_packets <> 0);
