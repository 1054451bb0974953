"""A camera on the network: an RTSP server (RFC 2326) that shows one viewer some pictures over and over."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from socket import AF_INET, SOCK_DGRAM, create_server, socket

import av
from PIL import Image

DESCRIPTION = "\r\n".join(
    ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 127.0.0.1", "t=0 0", "m=video 0 RTP/AVP 96",
     "a=rtpmap:96 H264/90000", "a=control:track1", ""]
)  # fmt: skip


@contextmanager
def serve_camera(images: Sequence[Image.Image], fps: int = 10) -> Iterator[str]:
    """The address of a camera that is on until the end of the `with` statement."""
    off = threading.Event()
    with create_server(("127.0.0.1", 0)) as server:
        # A viewer who never comes, or never goes, does not keep the tests from ending.
        threading.Thread(target=_serve, args=(server, images, fps, off), daemon=True).start()
        try:
            yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/door"
        finally:
            off.set()


def _serve(server: socket, images: Sequence[Image.Image], fps: int, off: threading.Event) -> None:
    """Answers one viewer's requests until he hangs up."""
    connection, _ = server.accept()
    shown = threading.Thread(target=_show, args=(connection, images, fps, off), daemon=True)
    with suppress(ConnectionResetError), connection, connection.makefile("rb") as lines:
        while request := lines.readline().decode():
            headers = {}
            while line := lines.readline().decode().strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            answer, body = [f"CSeq: {headers['cseq']}", "Session: 1"], ""
            if request.startswith("DESCRIBE"):
                body = DESCRIPTION
                answer += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
            elif request.startswith("SETUP"):
                answer.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            connection.sendall("\r\n".join(["RTSP/1.0 200 OK", *answer, "", body]).encode())
            if request.startswith("PLAY"):
                shown.start()
    off.set()


def _show(connection: socket, images: Sequence[Image.Image], fps: int, off: threading.Event) -> None:
    """Encodes the pictures as they would be filmed, and sends their packets between the answers."""
    with socket(AF_INET, SOCK_DGRAM) as packets:
        packets.bind(("127.0.0.1", 0))
        packets.setblocking(False)
        with av.open(f"rtp://127.0.0.1:{packets.getsockname()[1]}", "w", format="rtp") as container:
            stream = container.add_stream("libx264", rate=fps, options={"tune": "zerolatency", "g": str(fps)})
            stream.width, stream.height, stream.pix_fmt = *images[0].size, "yuv420p"
            for image in cycle(images):
                container.mux(stream.encode(av.VideoFrame.from_image(image)))
                # Nothing more waits, or the viewer has gone.
                with suppress(OSError):
                    while packet := packets.recv(2000):
                        connection.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
                if off.wait(1 / fps):
                    return
