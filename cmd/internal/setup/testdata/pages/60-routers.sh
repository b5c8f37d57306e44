# The Linux side of the routers' page; of two firewalls one at a time.
page integrations/routers/README.md
block 'ufw allow'
ufw show added | grep -q 'from 192.0.2.1 to any port 2055 proto udp' || fail "$(ufw show added)"
mkdir -p /etc/systemd/system/dbus.socket.wants
systemctl start dbus firewalld
block 'firewall-cmd'
firewall-cmd --list-rich-rules | grep -q 192.0.2.1
systemctl stop firewalld
(for i in $(seq 40); do flow 10.1.2.9 192.0.2.77; sleep 0.3; done) &
block '$ tcpdump' '/doctor/d'
wait
flowhound doctor >doctor.out || [ $? -eq 1 ] || fail "doctor ended otherwise"
flowhound status
