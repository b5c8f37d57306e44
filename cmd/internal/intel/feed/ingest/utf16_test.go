package ingest

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

func TestLinesUTF16(t *testing.T) {
	const text = "192.0.2.1 # Grüße 🙂\r\n192.0.2.2\r\n"
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		var b []byte
		for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
			b = order.AppendUint16(b, unit)
		}
		lines, err := NewLines(iotest.OneByteReader(strings.NewReader(string(b) + "x"))) // and half a unit
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for lines.Next() {
			got = append(got, lines.Text())
		}
		if want := "192.0.2.1 # Grüße 🙂|192.0.2.2|\ufffd"; strings.Join(got, "|") != want || lines.Err() != nil {
			t.Errorf("%s: %q, %v", order, got, lines.Err())
		}
	}
	if _, err := NewLines(strings.NewReader("\xff\xfe\x00\x00\x00\x00")); !errors.Is(err, ErrBinary) {
		t.Errorf("zeros: %v", err)
	}
}
