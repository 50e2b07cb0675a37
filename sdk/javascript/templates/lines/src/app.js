import { Connection, plugin } from 'sandloop';

class Lines extends Connection {
  async serve() {
    const idle = this.setTimeout(() => this.bye(), 5000);
    for await (const line of this.lines()) {
      if (line === 'quit') return this.bye();
      this.sendData(`${line}\n`);
      idle.restart();
    }
  }

  bye() {
    this.sendData('bye\n');
    this.closeConnectionAfterWriting();
  }
}

export default plugin({ Lines });
