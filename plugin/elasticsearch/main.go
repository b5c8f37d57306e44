// Flowhound-output-elasticsearch writes hits to a data stream of Elasticsearch, of
// OpenSearch or of the Wazuh indexer, as documents in the Elastic Common Schema.
// It never deletes, changes or searches.
package main

import "github.com/flowhound/flowhound/plugin"

func main() { plugin.Serve(newOutput()) }
