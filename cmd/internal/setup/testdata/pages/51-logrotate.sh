# A rule for all of /var/log takes hold of the alert log: doctor says so, and the page what to do.
page integrations/logrotate/README.md
mkdir -p /var/log/nginx /var/log/named
: >/var/log/nginx/access.log
printf '/var/log/*/*.log {\n\tweekly\n\tmissingok\n}\n' >/etc/logrotate.d/all
text 'log:' | config
block '$ logrotate'
flowhound doctor | grep /etc/logrotate.d/all || fail "doctor does not see it"
text '# in place' >named
{ cat named; printf '\tweekly\n\tmissingok\n}\n'; } >/etc/logrotate.d/all
if logrotate --debug /etc/logrotate.conf 2>&1 | grep flowhound; then fail "it still does"; fi
if flowhound doctor | grep /etc/logrotate.d/all; then fail "doctor still sees it"; fi
