package main

import (
	"net/http"
	"strings"
)

// trouble says what a person can do when the server refuses to write to an index,
// whatever the document is, "" when it is about the document or not known. It comes
// with statuses that speak of a bad request (400 when the cluster may hold no more
// shards or the index is closed) or of rights (403 when the index is read-only), so
// the status does not tell.
func (c *cause) trouble() string {
	if c == nil {
		return ""
	}
	said := strings.ToLower(c.String())
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(said, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("flood-stage", "flood stage", "read-only-allow-delete", "read_only_allow_delete", "read-only / allow delete"):
		return "the disk of the server is nearly full (flood stage): free space there; old versions keep the block until index.blocks.read_only_allow_delete is set to null"
	case has("maximum normal shards open", "maximum shards open", "maximum frozen shards open") || has("this action would add") && has("shards"):
		return "the cluster has its maximum of shards: delete old indices, or raise cluster.max_shards_per_node"
	case has("index_closed_exception"):
		return "the index is closed: open it, or roll the data stream over"
	case has("create-index"):
		return "the cluster may create no index: lift cluster.blocks.create_index"
	case has("cluster read-only", "cluster.blocks.read_only", "cluster_read_only"):
		return "the cluster is read-only: set cluster.blocks.read_only to null"
	case has("read-only (api)", "index write (api)", "index read-only"):
		return "the index is read-only: set index.blocks.read_only and index.blocks.write to null, or roll the data stream over"
	case has("cluster_block_exception"):
		return "the cluster blocks writing"
	case has("no write index is defined", "has no write index"):
		return "the alias has no index that is written to: run flowhound output setup"
	case has("pipeline with id") && has("does not exist"):
		return "the index names an ingest pipeline that is not there: create it, or remove index.default_pipeline"
	case has("index_not_found_exception", "no matching index template", "no_such_index", "invalid_index_name_exception"):
		return "the data stream cannot be made: run flowhound output setup"
	case has("es_rejected_execution_exception", "circuit_breaking_exception", "rejected_execution_exception", "node_closed_exception", "process_cluster_event_timeout_exception",
		"unavailable_shards_exception", "no_shard_available_action_exception", "no_master_block", "master_not_discovered_exception", "cluster_manager_not_discovered_exception"):
		return "the server is overloaded or starting"
	}
	return ""
}

// aboutRights reports whether an answer with status 403 is about who asks. Proxies
// in front of a server give no reason of its form.
func (c *cause) aboutRights(status int) bool {
	if status == http.StatusUnauthorized {
		return true
	}
	return status == http.StatusForbidden && (c == nil || c.trouble() == "" && !strings.Contains(c.Type, "block"))
}
