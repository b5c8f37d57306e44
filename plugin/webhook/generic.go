package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

// genericLimit is above what a batch of hits can have.
const genericLimit = 16 << 20

// generic posts hits in their JSON form as Standard Webhooks says
// (github.com/standard-webhooks/standard-webhooks, spec of 1.0.0): signed, with
// an id that is the same whenever the same hits are sent.
func generic() *service {
	return &service{
		takes: []string{"secret", "token"}, limit: genericLimit,
		message: func(_ *settings, m *message) object {
			return object{"type": "flowhound.hits", "timestamp": m.Time.UTC().Format(time.RFC3339Nano), "data": object{"hits": m.all}}
		},
		headers: sign,
	}
}

// The lengths of a key, in bytes.
const (
	minKey = 24
	maxKey = 64
)

// signingKey reads a secret of the form whsec_ and base64.
func signingKey(secret string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < minKey || len(key) > maxKey {
		return nil, plugin.Problem{Key: "secret", Message: "must be base64 of 24 to 64 bytes, with whsec_ before it or not: echo whsec_$(openssl rand -base64 32)"}
	}
	return key, nil
}

func sign(t *target, m *message, body []byte) http.Header {
	h := bearer(t, m, body)
	if h == nil {
		h = http.Header{}
	}
	id, now := "msg_"+m.ID, strconv.FormatInt(time.Now().Unix(), 10)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", now)
	if t.key != nil {
		h.Set("Webhook-Signature", "v1,"+signature(t.key, id, now, body))
	}
	return h
}

func signature(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
