//! The gRPC health service (`grpc.health.v1.Health/Check`), asked once.

use std::time::Duration;

use inboard::runtime::ProbeOutcome;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::{address, failure};

/// `grpc.health.v1.HealthCheckRequest`
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

const SERVING: i32 = 1;

pub(super) async fn probe(host: &str, port: u16, service: &str, timeout: Duration) -> ProbeOutcome {
    let address = address(host, port);
    match tokio::time::timeout(timeout, check(&address, service)).await {
        Ok(Ok(SERVING)) => ProbeOutcome::Success,
        Ok(Ok(status)) => failure(format!("service unhealthy (responded with {:?})", name(status))),
        Ok(Err(status)) if status.code() == Code::Unimplemented => failure(format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {}",
            status.message()
        )),
        Ok(Err(status)) => failure(format!("error: health rpc probe failed: {}", status.message())),
        Err(_) => {
            let text = format!("timeout: failed to connect service {address:?} within {timeout:?}");
            failure(format!("{text}: context deadline exceeded"))
        }
    }
}

async fn check(address: &str, service: &str) -> Result<i32, Status> {
    let unreachable = |error: tonic::transport::Error| Status::unavailable(error.to_string());
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(unreachable)?;
    let mut client = Grpc::new(endpoint.connect().await.map_err(unreachable)?);
    client.ready().await.map_err(unreachable)?;
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let codec: ProstCodec<HealthCheckRequest, HealthCheckResponse> = ProstCodec::default();
    let request = Request::new(HealthCheckRequest { service: service.to_owned() });
    Ok(client.unary(request, path, codec).await?.into_inner().status)
}

fn name(status: i32) -> &'static str {
    match status {
        SERVING => "SERVING",
        2 => "NOT_SERVING",
        3 => "SERVICE_UNKNOWN",
        _ => "UNKNOWN",
    }
}
