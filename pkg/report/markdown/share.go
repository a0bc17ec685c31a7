package markdown

// MostCharacters is the default limit of a page in characters.
const MostCharacters = mostCharacters

// Code returns a text of others as a code span in a cell of a table, cut at limit bytes; "-" if it
// is empty.
func Code(text string, limit int) string { return code(text, limit) }

// Span returns a text of others as a code span outside of tables, cut at limit bytes; "-" if it is
// empty.
func Span(text string, limit int) string { return span(text, limit) }

// Word is an answer. Any other word than ours is unknown.
var Word = word
