package v1alpha1

import "testing"

func TestWordsOfOthersAreUnknown(t *testing.T) {
	for word, want := range map[Verdict]Verdict{
		Pass: Pass, Fail: Fail, Accepted: Accepted, VerdictUnknown: VerdictUnknown,
		"": VerdictUnknown, "PASS": VerdictUnknown, "pass ": VerdictUnknown,
	} {
		if got := word.OrUnknown(); got != want {
			t.Errorf("verdict %q: expected %q, found %q", word, want, got)
		}
	}
	for word, want := range map[AnswerWord]AnswerWord{
		Yes: Yes, No: No, NotApplicable: NotApplicable, Unknown: Unknown,
		"": Unknown, "YES": Unknown, "no answer": Unknown,
	} {
		if got := word.OrUnknown(); got != want {
			t.Errorf("answer %q: expected %q, found %q", word, want, got)
		}
	}
}
