# Into local.zeek. Zeek rereads the file when it changes; no reload is needed.
@load frameworks/intel/seen
@load frameworks/intel/removal

redef Intel::read_files += { "/var/lib/flowhound/export/zeek.intel" };
