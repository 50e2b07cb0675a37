import { Connection, plugin } from 'sandloop';

class Chat extends Connection {
  async serve() {
    const room = this.subscribe('chat', (line) => this.sendData(line));
    for await (const line of this.lines()) room.pushToOthers(`${line}\n`);
  }
}

export default plugin({ Chat });
