//go:build wasip1

package sandloop

// Option is one option: a string is as it was written, numbers and booleans are as TOML writes them, lists and tables are JSON.
type Option struct{ Key, Value string }

// Options are in the order of their keys.
type Options []Option

// Get is the value of one option; false where the operator did not give it.
func (o Options) Get(key string) (string, bool) {
	for _, option := range o {
		if option.Key == key {
			return option.Value, true
		}
	}
	return "", false
}

// GetOr is the value of one option, or another where the operator did not give it.
func (o Options) GetOr(key, otherwise string) string {
	if value, isGiven := o.Get(key); isGiven {
		return value
	}
	return otherwise
}

// GetOption is the value of one of the plugin's options; false where the operator did not give it.
func GetOption(key string) (string, bool) {
	at, length := text(key)
	m := begin()
	getOption(at, length, answerAt)
	if !isError() {
		return "", false
	}
	value := ownString(answer[1], answer[2])
	m.end()
	return value, true
}

// AllOptions are the plugin's.
func AllOptions() Options {
	m := begin()
	allOptions(answerAt)
	all := pairs(answer[0], answer[1])
	m.end()
	return all
}

//go:wasmimport sandloop:plugin/options@0.1.1 get
func getOption(key ptr, length uint32, to ptr)

//go:wasmimport sandloop:plugin/options@0.1.1 all
func allOptions(to ptr)
