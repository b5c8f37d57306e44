// Package decoders holds the XML that teaches OSSEC and Wazuh to take
// flowhound's lines apart into fields, and BIND's lines about flowhound's
// response policy zones. It is data only; setup installs it.
//
// A decoder is OSSEC's word here. The code that decodes NetFlow is flow/netflow.
package decoders

import _ "embed" // for the files below

// OSSEC is for etc/local_decoder.xml, a file that others share: merge it in.
//
//go:embed ossec/flowhound_decoders.xml
var OSSEC string

// Wazuh is for etc/decoders/flowhound_decoders.xml of a Wazuh 4 manager.
//
//go:embed wazuh/flowhound_decoders.xml
var Wazuh string

// OSSECBind and WazuhBind go where OSSEC and Wazuh go; rules.OSSECBind and
// rules.WazuhBind need them. The name of Wazuh's file has to sort before the stock
// decoders, as it says.
var (
	//go:embed ossec/flowhound_bind_decoders.xml
	OSSECBind string
	//go:embed wazuh/0001-flowhound_bind_decoders.xml
	WazuhBind string
)
