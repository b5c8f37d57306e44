-- Who sends the most from a country, by port: flowhound top --fields sip,sport --scc NL --count 5
SELECT address(src) AS sip, sport, sum(bytes) AS total FROM records WHERE scc = 'NL' GROUP BY src, sport ORDER BY total DESC, sip, sport LIMIT 5;

-- Who talked to an address, since when and how much: flowhound top --fields sip,dip --any-ip 10.20.0.7
SELECT address(src) AS sip, address(dst) AS dip, min(start) AS first, max(start) AS last, count() AS flows, sum(bytes) AS total
FROM records WHERE src = ip('10.20.0.7') OR dst = ip('10.20.0.7') GROUP BY src, dst ORDER BY total DESC, sip, dip;

-- What each country sends, by the hour: flowhound top --fields hour,scc --count 0 --utc
SELECT toStartOfHour(start) AS hour, scc, sum(bytes) AS total FROM records GROUP BY hour, scc ORDER BY hour, scc;
