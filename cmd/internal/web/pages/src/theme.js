// Before first paint: what the reader chose. Everything else waits.
for (const k of ['theme', 'density', 'keys']) {
  const v = localStorage.getItem(k);
  if (v) document.documentElement.dataset[k] = v;
}
