// Mistakes and oddities by the line: what an author runs into, to be seen in the log.
package main

import (
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"runtime"
	"sync"
	"time"

	"sandloop.dev/sdk"
)

type Trial struct {
	sandloop.Conn
	timer *sandloop.Timer
	lines []string
}

var last *Trial

func (t *Trial) ReceiveLine(line string) {
	switch line {
	case "index":
		t.SendString(t.lines[3])
	case "nil connection":
		var nobody *Trial
		nobody.SendString("hello")
	case "own connection":
		(&Trial{}).SendString("hello")
	case "nil timer":
		t.timer.Reset(time.Second)
	case "nil map":
		var counts map[string]int
		counts[line]++
	case "panic":
		panic(fmt.Errorf("no room for %q", "tea"))
	case "deadlock":
		<-make(chan int)
	case "sleep in a callback":
		sandloop.Sleep(time.Second)
	case "goroutine panics":
		go func() { panic("in a goroutine") }()
	case "exit":
		os.Exit(3)
	case "memory":
		for all := [][]byte{}; ; {
			all = append(all, make([]byte, 1<<20))
		}
	case "recursion":
		t.ReceiveLine(line)
	case "print":
		fmt.Print("printed without a newline")
	case "println":
		fmt.Println("printed")
		fmt.Fprintln(os.Stderr, "to standard error")
		log.Println("logged\nin two lines")
	case "last":
		err := last.TrySendData([]byte("hello"))
		last.SendString("hello")
		fmt.Fprintln(t, err)
	default:
		t.works(line)
	}
}

// works are no mistakes.
func (t *Trial) works(line string) {
	switch line {
	case "goroutine":
		words := make(chan string)
		go func() {
			for word := range words {
				t.SendString(word + "\n")
			}
		}()
		var sent sync.WaitGroup
		for i := range 100 {
			sent.Go(func() {
				if i == 99 {
					words <- "from a goroutine"
				}
			})
		}
		sent.Wait()
		close(words)
	case "goroutine after":
		go func() {
			sandloop.Sleep(50 * time.Millisecond)
			t.SendString("slept\n")
		}()
	case "many switches":
		ping, pong := make(chan int), make(chan int)
		go func() {
			for i := range ping {
				pong <- i
			}
		}()
		go func() {
			sum := 0
			for i := range 1000 {
				ping <- i
				sum += <-pong
			}
			close(ping)
			fmt.Fprintln(t, sum)
		}()
	case "time":
		before := time.Now()
		time.Sleep(20 * time.Millisecond)
		fmt.Fprintln(t, before.Year() >= 2024, time.Since(before) >= 20*time.Millisecond, time.Since(before) < 10*time.Second)
	case "random":
		var one, other [11]byte
		rand.Read(one[:])
		rand.Read(other[:])
		fmt.Fprintln(t, one != other)
	case "collect":
		runtime.GC()
		t.SendString("collected\n")
	case "large message":
		sandloop.Channel("large").Subscribe(func(message []byte) {
			fmt.Fprintln(t, len(message), message[0], message[len(message)-1])
		})
		large := make([]byte, 1_000_000)
		large[0], large[len(large)-1] = 7, 9
		sandloop.Channel("large").Push(large)
	case "options":
		fmt.Fprintln(t, t.Options(), sandloop.AllOptions())
	case "addresses":
		local, _ := t.LocalAddress()
		_, isConnected := t.PeerAddress()
		fmt.Fprintln(t, local, isConnected, sandloop.ConnectionCount())
	default:
		fmt.Fprintf(t, "what is %q?\n", line)
	}
}

func (t *Trial) Unbind(sandloop.CloseReason) { last = t }

func init() { sandloop.Handle[Trial]("trial") }

func main() {}
