package osv

import (
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"
)

// rating is a severity; higher is worse. The zero rating is unknown.
type rating uint8

const (
	unrated rating = iota
	low
	medium
	high
	critical
)

var ratings = [...]string{unrated: "", low: "low", medium: "medium", high: "high", critical: "critical"}

func (r rating) String() string { return ratings[r] }

// word is the rating of a distribution's own word: Debian's urgency, Ubuntu's
// priority, or those of advisories. Other words ("not yet assigned", "untriaged",
// "end-of-life") say nothing.
func word(text string) rating {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "critical":
		return critical
	case "high", "important":
		return high
	case "medium", "moderate":
		return medium
	case "low", "negligible", "unimportant", "minor":
		return low
	}
	return unrated
}

// maxVector is longer than any vector of CVSS.
const maxVector = 512

// vector is the rating of a CVSS vector: severity[].type and .score. The scales are
// those of the specifications (version 2: NVD's).
func vector(kind, text string) rating {
	if len(text) > maxVector {
		return unrated
	}
	score := -1.0
	switch {
	case kind == "CVSS_V2":
		if v, err := gocvss20.ParseVector(text); err == nil {
			score = v.BaseScore()
		}
		if score >= 9 {
			return high // version 2 has no critical
		}
	case kind == "CVSS_V3" && strings.HasPrefix(text, "CVSS:3.0/"):
		if v, err := gocvss30.ParseVector(text); err == nil {
			score = v.BaseScore()
		}
	case kind == "CVSS_V3":
		if v, err := gocvss31.ParseVector(text); err == nil {
			score = v.BaseScore()
		}
	case kind == "CVSS_V4":
		if v, err := gocvss40.ParseVector(text); err == nil {
			score = v.Score()
		}
	}
	switch {
	case score < 0:
		return unrated
	case score < 4:
		return low
	case score < 7:
		return medium
	case score < 9:
		return high
	}
	return critical
}

// severities reads a list severity[]. A distribution's word is about its own
// package, so it counts before vectors, of which the worst counts.
func severities(c *cursor) rating {
	own, scored := unrated, unrated
	c.list(func() {
		var kind, score string
		c.object(func(name []byte) {
			switch string(name) {
			case "type":
				kind = string(c.string())
			case "score":
				score = string(c.string())
			default:
				c.skip()
			}
		})
		if r := word(score); r != unrated {
			own = max(own, r)
		} else {
			scored = max(scored, vector(kind, score))
		}
	})
	if own != unrated {
		return own
	}
	return scored
}

// specific reads database_specific or ecosystem_specific, which no schema defines:
// Debian has urgency, others severity.
func specific(c *cursor) rating {
	r := unrated
	c.object(func(name []byte) {
		switch string(name) {
		case "urgency", "severity":
			if c.peek() == '"' {
				r = max(r, word(string(c.string())))
				return
			}
		}
		c.skip()
	})
	return r
}

// summarized is the rating at the start of the summary of an advisory of Red Hat and
// its rebuilds: "Important: kernel security update".
func summarized(summary []byte) rating {
	first, _, found := strings.Cut(string(summary[:min(len(summary), 20)]), ":")
	if !found {
		return unrated
	}
	return word(first)
}
