// Counting primes takes long, so that a worker does it, off the loop.
package main

import (
	"errors"
	"fmt"
	"strconv"

	"sandloop.dev/sdk"
)

var primes = sandloop.NewOperation(func(argument []byte) ([]byte, error) {
	n, err := strconv.Atoi(string(argument))
	if err != nil || n < 0 {
		return nil, errors.New("not a number")
	}
	if n > 1_000_000 {
		return nil, errors.New("too large")
	}
	isComposite := make([]bool, n)
	count := 0
	for i := 2; i < n; i++ {
		if !isComposite[i] {
			count++
			for j := i * i; j < n; j += i {
				isComposite[j] = true
			}
		}
	}
	return []byte(strconv.Itoa(count)), nil
})

type Deferred struct{ sandloop.Conn }

func (d *Deferred) ReceiveLine(line string) {
	primes.Defer([]byte(line), func(count []byte, err error) {
		if err != nil {
			fmt.Fprintf(d, "error: %v\n", err)
		} else {
			fmt.Fprintf(d, "%s\n", count)
		}
	})
}

func init() { sandloop.Handle[Deferred]("deferred") }

func main() {}
