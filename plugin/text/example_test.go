package text_test

import (
	"fmt"

	"github.com/flowhound/flowhound/plugin/text"
)

// Each place has a way of its own to keep a text from leaving it.
func ExamplePlace_String() {
	pulse := "Wave 3\x1b[2J <@everyone> \"x\"=1"
	fmt.Println(text.Line.String(pulse, 100))
	fmt.Println(text.CEF.String(pulse, 100))
	fmt.Println(text.Markup.String(pulse, 100))
	// Output:
	// Wave 3 [2J <@everyone> 'x'=1
	// Wave 3 [2J <@everyone> "x"\=1
	// Wave 3 [2J &lt;@everyone&gt; "x"=1
}

// Secrets are taken out of what a server says before it is cut.
func ExampleRedactor() {
	var known text.Redactor
	known.Learn([]string{"hunter22"})
	fmt.Println(known.Excerpt("401: user admin,\npassword hunter22 is wrong", 60))
	// Output: 401: user admin, password <secret> is wrong
}
