//! Ends connections whose client does not read what it asked for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream on which writing fails once it makes no progress for a while.
#[derive(Debug)]
pub(super) struct WriteDeadline<S> {
    stream: S,
    /// Runs while something waits to be written.
    timer: Option<Pin<Box<Sleep>>>,
    /// Since the timer began.
    written: usize,
}

impl<S> WriteDeadline<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, timer: None, written: 0 }
    }

    /// A client that takes a byte now and then makes no progress either.
    fn progress(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes);
        if self.written >= PROGRESS {
            self.rest();
        }
    }

    fn rest(&mut self) {
        self.timer = None;
        self.written = 0;
    }

    /// What a write that waits comes to.
    fn waits<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(SLOWEST_WRITE)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answers")))
    }

    fn wrote(&mut self, context: &mut Context<'_>, end: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match end {
            Poll::Pending => self.waits(context),
            Poll::Ready(Ok(bytes)) => {
                self.progress(bytes);
                Poll::Ready(Ok(bytes))
            }
            failed => failed,
        }
    }

    /// Everything is written once a flush ends.
    fn flushed(&mut self, context: &mut Context<'_>, end: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        match end {
            Poll::Pending => self.waits(context),
            Poll::Ready(end) => {
                self.rest();
                Poll::Ready(end)
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let end = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, end)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let end = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.wrote(context, end)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = Pin::new(&mut self.stream).poll_flush(context);
        self.flushed(context, end)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = Pin::new(&mut self.stream).poll_shutdown(context);
        self.flushed(context, end)
    }
}

const SLOWEST_WRITE: Duration = Duration::from_secs(10);
/// Bytes within [`SLOWEST_WRITE`].
const PROGRESS: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn written(client: impl AsyncFnOnce(&mut tokio::io::DuplexStream)) -> io::Result<()> {
        let (stream, mut other) = tokio::io::duplex(1);
        let mut stream = WriteDeadline::new(stream);
        let answer = [0; 2 * PROGRESS];
        tokio::select! {
            end = async { stream.write_all(&answer).await?; stream.flush().await } => end,
            () = async { client(&mut other).await; std::future::pending().await } => Ok(()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_has_a_deadline() {
        let end = written(async |_| {}).await;

        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_byte_a_second_has_one_too() {
        let end = written(async |client| {
            while client.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });

        assert_eq!(end.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_reads_enough_gets_everything() {
        let end = written(async |client| {
            let mut part = vec![0; PROGRESS];
            while client.read_exact(&mut part).await.is_ok() {
                tokio::time::sleep(SLOWEST_WRITE - Duration::from_secs(1)).await;
            }
        });

        assert!(end.await.is_ok());
    }
}
