// The commands on what users have done last (docs/user-status.md).
#include "api/service.h"

namespace gyre::api {

runtime::Task<Answer<EmptyResult>> Service::update_user_status(UpdateUserStatusRequest) {
  co_return refuse(errors::kNotFound);
}

runtime::Task<Answer<EmptyResult>> Service::get_user_status(GetUserStatusRequest) {
  co_return refuse(errors::kNotFound);
}

runtime::Task<Answer<EmptyResult>> Service::delete_user_status(DeleteUserStatusRequest) {
  co_return refuse(errors::kNotFound);
}

}  // namespace gyre::api
