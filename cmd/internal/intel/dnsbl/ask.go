package dnsbl

import (
	"context"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/flowhound/flowhound/cmd/internal/resolver"
)

// address asks a zone about ip.
func address(ctx context.Context, r *resolver.Resolver, ip netip.Addr, zone string) outcome {
	m, err := r.Exchange(ctx, question(ip, zone), dns.TypeA)
	if err != nil {
		return failure(err.Error())
	}
	return classify(m)
}

// text asks a zone why it lists ip; "" when it does not say.
func text(ctx context.Context, r *resolver.Resolver, ip netip.Addr, zone string) string {
	m, err := r.Exchange(ctx, question(ip, zone), dns.TypeTXT)
	if err != nil {
		return ""
	}
	return explanation(m)
}
