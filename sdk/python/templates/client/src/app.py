from sandloop import HostError, call_later, connect, log, options, stop


async def start() -> None:
    host, _, port = options.required("server").rpartition(":")
    try:
        server = await connect(host, int(port))
        server.send_data("hello\n")
        async for line in server.lines():
            log.info(f"answer: {line}")
            server.close_connection()
            return stop()
        log.warn("it ended before an answer, trying again")
    except HostError as error:
        log.warn(f"{error}, trying again")
    call_later(1, start)
