// Package rules holds the XML that makes OSSEC and Wazuh raise alerts on
// flowhound's lines, at a level that follows the hit's severity, and on what BIND
// logs of flowhound's response policy zones. It is data only; setup installs it.
// README.md lists every rule.
package rules

import _ "embed" // for the files below

// OSSEC is for rules/flowhound_rules.xml, which etc/ossec.conf has to include.
//
//go:embed ossec/flowhound_rules.xml
var OSSEC string

// Wazuh is for etc/rules/flowhound_rules.xml of a Wazuh 4 manager.
//
//go:embed wazuh/flowhound_rules.xml
var Wazuh string

// OSSECBind and WazuhBind go where OSSEC and Wazuh go, and need the stock rules
// about named: without their rule 12100 the engines do not start. A host whose
// engine leaves those out does without these.
var (
	//go:embed ossec/flowhound_bind_rules.xml
	OSSECBind string
	//go:embed wazuh/flowhound_bind_rules.xml
	WazuhBind string
)
