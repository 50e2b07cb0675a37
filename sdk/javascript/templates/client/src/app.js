import { connect, options, plugin, stop } from 'sandloop';

async function ask() {
  const [host, port] = options.required('server').split(/:(?=\d+$)/);
  try {
    const server = await connect(host, Number(port));
    server.sendData('hello\n');
    const line = await server.readLine();
    if (line === null) throw new Error('it ended before an answer');
    console.log(`answer: ${line}`);
    server.closeConnection();
    stop();
  } catch (error) {
    console.warn(error, 'trying again');
    setTimeout(ask, 1000);
  }
}

export default plugin({}, { start: ask });
