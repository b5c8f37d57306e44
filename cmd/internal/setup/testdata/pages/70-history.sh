# The language of flows, top and hunt: the page's expression, and its mistake.
page cmd/internal/history/query/README.md
cd /tmp/reader
flowhound flows --last 1h "$(text 'src net')"
block 'flowhound top --fields day'
text 'flowhound: unknown word' >wanted
if flowhound flows --last 1h "$(sed -n 2p wanted | sed 's/^ *//')" >said 2>&1; then fail "it is taken"; fi
sed 's/^ *//' wanted >a
sed 's/^ *//' said | grep -vi usage >b
diff a b
