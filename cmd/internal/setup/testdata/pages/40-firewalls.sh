# nftables and ipset, in the kernel.
page integrations/nftables/README.md
cd /flowhound/integrations/nftables
config <flowhound.yaml
block 'nft -c'
await 'nft list set inet flowhound bad4 | grep -q 198.51.100.7'
nft get element inet flowhound bad6 '{ 2001:db8:bad::7 }' >/dev/null
block '$ nft list'
ip addr add 10.9.9.9/24 dev lo
ip route add 198.51.100.0/24 dev lo
python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("198.51.100.7", 9))'
await 'nft list chain inet flowhound listed_out | grep "counter packets [1-9]"'
ip route del 198.51.100.0/24 dev lo
ip addr del 10.9.9.9/24 dev lo

page integrations/ipset/README.md
cd /flowhound/integrations/ipset
ipset restore -file sets.ipset
iptables-restore --noflush <rules.v4
ip6tables-restore --noflush <rules.v6
config <flowhound.yaml
await 'ipset test flowhound4 198.51.100.7 && ipset test flowhound6 2001:db8:bad::7'
block '$ ipset test'
