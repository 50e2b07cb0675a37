import { Connection, plugin } from 'sandloop';

class Echo extends Connection {
  receiveData(data) {
    this.sendData(data);
  }
}

export default plugin({ Echo });
