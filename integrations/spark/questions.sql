-- Who sends the most from a country, by port. An IPv4 address is the last eight digits.
SELECT hex(src) AS sip, sport, sum(bytes) AS total FROM records WHERE scc = 'NL' GROUP BY src, sport ORDER BY total DESC, sip, sport LIMIT 5;

-- Who talked to an address (10.20.0.7 is 0A140007), since when and how much.
SELECT hex(src) AS sip, hex(dst) AS dip, min(start) AS first, max(start) AS last, count(*) AS flows, sum(bytes) AS total
FROM records WHERE src = X'00000000000000000000FFFF0A140007' OR dst = X'00000000000000000000FFFF0A140007' GROUP BY src, dst ORDER BY total DESC, sip, dip;

-- What each country sends, by the hour.
SELECT date_trunc('hour', start) AS hour, scc, sum(bytes) AS total FROM records GROUP BY 1, scc ORDER BY hour, scc;
