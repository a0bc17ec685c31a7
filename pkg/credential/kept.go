package credential

// Withheld stands for a name that was not kept, because it can itself be a credential.
const Withheld = "name-withheld"

// maxKept bounds a name that is kept: that of an object or a key has at most 253 bytes.
const maxKept = 253

// KeptName returns the name of an object as it may be kept, or Withheld. Nobody has checked
// a name in a file, and the API server takes any text where some objects name others.
func KeptName(name string) string {
	if len(name) > maxKept {
		return Withheld
	}
	for i := range len(name) {
		if name[i] < ' ' || name[i] == 0x7f {
			return Withheld
		}
	}
	if len(Find("", []byte(name))) > 0 {
		return Withheld
	}
	return name
}

// KeptKey is KeptName for the name of a key or a variable. It withholds random ones, too:
// where a key stands, people sometimes write the value.
func KeptKey(name string) string {
	if looksRandom([]byte(name), tellsSecret, true) {
		return Withheld
	}
	return KeptName(name)
}
