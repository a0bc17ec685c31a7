package commandline

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Text that a shell runs and nobody has read is no text without an install.
func TestTextThatIsNotThere(t *testing.T) {
	const read = fact.Reason("")
	for line, want := range map[string]fact.Reason{
		`eval "$S"`:                           fact.NotPresent,
		`sh -c "$S"`:                          fact.NotPresent,
		`echo "$S" | sh`:                      fact.NotPresent,
		`python3 -c "$S"`:                     fact.NotPresent,
		`eval "$(print-script)"`:              fact.NotPresent,
		`print-script | sh`:                   fact.NotPresent,
		`print-script | base64 -d | bash -s`:  fact.NotPresent,
		`nc host 80 | python3`:                fact.NotPresent,
		`for i in 1 2; do part $i; done | sh`: fact.NotPresent,
		`sh <<< "$S"`:                         fact.NotPresent,

		`exec $S`:                             fact.NotPresent,
		`"$S" --port 80`:                      fact.NotPresent,
		`generate > /tmp/x.sh; sh /tmp/x.sh`:  fact.NotPresent,
		`generate >> /tmp/x; . /tmp/x`:        fact.NotPresent,
		`generate | tee x.sh | wc; sh ./x.sh`: fact.NotPresent,
		`generate > x; echo a >> x; sh ./x`:   fact.NotPresent,
		`generate > x; cat x | sh`:            fact.NotPresent,
		`generate > /etc/app.conf; exec app`:  read,
		`sed s/a/b/ /t/run.sh > r; sh ./r`:    read,
		`echo exec app > r; sh ./r`:           read,
		`exec $OTHER`:                         read,
		`exec ${S:-app} "$@"`:                 fact.NotPresent,
		`oras pull x.example/tool:1; ./tool`:  fact.NotPresent,
		`curl x.example/t | tar xz && ./t`:    fact.NotPresent,
		`curl x.example/t | tar xz; exec app`: read,

		`eval "$(ssh-agent -s)"; exec app`:   read,
		`eval "exec app $OPTIONS"`:           read,
		`exec "$@"`:                          read,
		`exec app $OPTIONS`:                  read,
		`list | grep x | awk '{print $1}'`:   read,
		`list | python3 -m json.tool`:        read,
		`list | python3 -c 'print(1)'`:       read,
		`list | perl -ne 'print'`:            read,
		`yes | sh /app/run.sh`:               read,
		`list | xargs -n1 echo`:              read,
		`bash`:                               read,
		`. /app/env; exec app`:               read,
		`echo true | sh`:                     read,
		`list | while read x; do echo; done`: read,
	} {
		var e Evaluation
		e.Env = map[string]string{"S": Hole("S")}
		e.Command([]Word{{"sh", "command[0]"}, {"-c", "command[1]"}, {line, "command[2]"}})
		if e.Result.Unread != want {
			t.Errorf("%s: unread is %q, expected %q", line, e.Result.Unread, want)
		}
	}
}
