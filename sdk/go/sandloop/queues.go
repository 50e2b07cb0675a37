//go:build wasip1

package sandloop

// Queue is a name: what one pushes, one other gets, first come, first served.
type Queue string

// Pop is a wait for one item.
type Pop struct {
	id     uint32
	action func([]byte)
	isLive bool
}

var pops = map[uint32]*Pop{}

// Push adds an item. It never fails: where the queue is full the item is lost and the log says so.
func (q Queue) Push(item []byte) {
	if err := q.TryPush(item); err != nil {
		Logf(Error, "queue %q: an item was lost: %v", string(q), err)
	}
}

// TryPush is Push and answers ErrLimit, ErrDenied or ErrInvalidArgument.
func (q Queue) TryPush(item []byte) error {
	at, length := text(string(q))
	data, size := bytes(item)
	queuePush(at, length, data, size, answerAt)
	return plain().orNil()
}

// Pop calls action with one item, once, as soon as there is one. The item is the host's again when it returns.
func (q Queue) Pop(action func(item []byte)) *Pop {
	p, err := q.TryPop(action)
	if err != nil {
		must("pop from "+string(q), err.(ErrorCode))
	}
	return p
}

// TryPop is Pop and answers ErrLimit, ErrDenied or ErrInvalidArgument.
func (q Queue) TryPop(action func(item []byte)) (*Pop, error) {
	at, length := text(string(q))
	queuePop(at, length, answerAt)
	id, code := number()
	if code != 0 {
		return nil, code
	}
	p := &Pop{id, action, true}
	pops[id] = p
	return p, nil
}

// Cancel forgets the wait. Does nothing once it has its item, and to none.
func (p *Pop) Cancel() {
	if p != nil && p.isLive {
		p.isLive = false
		delete(pops, p.id)
		cancelPop(p.id)
	}
}

// Size is how many items wait.
func (q Queue) Size() int {
	at, length := text(string(q))
	return int(queueSize(at, length))
}

// NumWaiting is how many pops wait, in all sandboxes.
func (q Queue) NumWaiting() int {
	at, length := text(string(q))
	return int(numWaiting(at, length))
}

//go:wasmexport sandloop:plugin/queues-handler@0.1.1#popped
func popped(id uint32, item ptr, length uint32) {
	defer guard()
	if p := pops[id]; p != nil {
		p.isLive = false
		delete(pops, id)
		p.action(borrowed(item, length))
	}
	done()
}

//go:wasmimport sandloop:plugin/queues@0.1.1 push
func queuePush(queue ptr, length uint32, item ptr, size uint32, to ptr)

//go:wasmimport sandloop:plugin/queues@0.1.1 pop
func queuePop(queue ptr, length uint32, to ptr)

//go:wasmimport sandloop:plugin/queues@0.1.1 cancel-pop
func cancelPop(id uint32)

//go:wasmimport sandloop:plugin/queues@0.1.1 size
func queueSize(queue ptr, length uint32) uint32

//go:wasmimport sandloop:plugin/queues@0.1.1 num-waiting
func numWaiting(queue ptr, length uint32) uint32
