package cli

import (
	"fmt"
	"sync"

	"github.com/schollz/progressbar/v3"
)

// progress shows on stderr how many nodes have answered. A nil bar shows nothing.
type progress struct {
	mu  sync.Mutex
	env *Env
	bar *progressbar.ProgressBar
	// words is printed before the numbers.
	words string
	shown bool
}

func (e *Env) newProgress(show bool, words string) *progress {
	p := &progress{env: e, words: words, shown: show}
	return p
}

// update is called by the probe's runner, possibly from several goroutines at once.
func (p *progress) update(done, failed, total int) {
	if !p.shown {
		return
	}
	p.env.measuring.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(p.env.Streams.ErrOut),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionSetWidth(20),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(100_000_000), // 0.1 s
			progressbar.OptionUseANSICodes(true),
		)
	}
	words := p.words
	if failed > 0 {
		words = fmt.Sprintf("%s (%d failed)", words, failed)
	}
	p.bar.Describe(words)
	_ = p.bar.Set(done) // fails only for an impossible count
}

func (p *progress) finish() {
	p.env.measuring.Store(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
